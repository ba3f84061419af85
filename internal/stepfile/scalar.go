package stepfile

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// scalars reads plain scalars by the rules of YAML 1.1 (yaml.org/type), in the
// form that PyYAML 6.0.3 gives them, since Valohai reads its files with that: an exponent
// needs a dot and a sign, a leading 0 is octal, colons count in sixties, yes and on are
// booleans, y and n aren't. yaml.v3 follows YAML 1.2 in part, so its tags are not used.
type scalars struct{ integer, float, date *regexp.Regexp }

func newScalars() scalars {
	return scalars{
		integer: regexp.MustCompile(`^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)` +
			`|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$`),
		float: regexp.MustCompile(`^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?` +
			`|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$`),
		date: regexp.MustCompile(`^(?:\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?` +
			`(?:[ \t]*(?:Z|[-+]\d\d?(?::\d\d)?))?)$`),
	}
}

// maxDigits is how long a number may be; Python has the same bound (4300).
const maxDigits = 4300

// read gives the value of a scalar node. Its error is a clause about the tag.
func (s scalars) read(n *yaml.Node) (Value, error) {
	if n.Style&yaml.TaggedStyle != 0 {
		return s.tagged(n)
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return textValue(n.Value), nil
	}
	return s.plain(n.Value), nil
}

// plain resolves a scalar that has neither quotes nor a tag.
func (s scalars) plain(raw string) Value {
	switch raw {
	case "", "~", "null", "Null", "NULL":
		return Value{}
	}
	if truth, ok := yamlBool(raw); ok {
		return boolValue(truth)
	}
	if len(raw) > maxDigits {
		return textValue(raw)
	}
	if s.float.MatchString(raw) {
		return floatValue(yamlFloat(raw))
	}
	if s.integer.MatchString(raw) {
		if i, ok := yamlInt(raw); ok {
			return intValue(i)
		}
		return textValue(raw) // 0x_: PyYAML fails on it
	}
	if s.date.MatchString(raw) {
		return Value{kind: kindDate, text: raw}
	}
	return textValue(raw)
}

// tagged reads a scalar with an explicit tag.
func (s scalars) tagged(n *yaml.Node) (Value, error) {
	v := s.plain(n.Value)
	var fits bool
	switch n.Tag {
	case "!!str":
		return textValue(n.Value), nil
	case "!!null":
		return Value{}, nil
	case "!!int":
		fits = v.kind == kindInt
	case "!!bool":
		fits = v.kind == kindBool
	case "!!timestamp":
		fits = v.kind == kindDate
	case "!!float":
		if v.kind == kindInt {
			f, _ := new(big.Float).SetInt(v.whole).Float64()
			return floatValue(f), nil
		}
		if f, ok := parseFloat(n.Value); ok {
			return floatValue(f), nil
		}
		fits = v.kind == kindFloat
	default:
		return textValue(n.Value), fmt.Errorf("the tag %s is not known here", show(n.Tag))
	}
	if !fits {
		return textValue(n.Value), fmt.Errorf("%s is not what its tag %s says", show(n.Value), n.Tag)
	}
	return v, nil
}

func yamlBool(raw string) (truth, ok bool) {
	switch raw {
	case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return true, true
	case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return false, true
	}
	return false, false
}

// yamlInt reads what the integer expression of scalars matches.
func yamlInt(raw string) (*big.Int, bool) {
	digits, negative := unsign(strings.ReplaceAll(raw, "_", ""))
	i, ok := new(big.Int), true
	switch {
	case strings.HasPrefix(digits, "0b"):
		i, ok = i.SetString(digits[2:], 2)
	case strings.HasPrefix(digits, "0x"):
		i, ok = i.SetString(digits[2:], 16)
	case strings.HasPrefix(digits, "0"):
		i, ok = i.SetString(digits, 8)
	case strings.Contains(digits, ":"):
		sixty := big.NewInt(60)
		for part := range strings.SplitSeq(digits, ":") {
			n, valid := new(big.Int).SetString(part, 10)
			if !valid {
				return nil, false
			}
			i.Add(i.Mul(i, sixty), n)
		}
	default:
		i, ok = i.SetString(digits, 10)
	}
	if ok && negative {
		i.Neg(i)
	}
	return i, ok
}

// yamlFloat reads what the float expression of scalars matches.
func yamlFloat(raw string) float64 {
	digits, negative := unsign(strings.ToLower(strings.ReplaceAll(raw, "_", "")))
	f := 0.0
	switch digits {
	case ".inf":
		f = math.Inf(1)
	case ".nan":
		f = math.NaN()
	default:
		for part := range strings.SplitSeq(digits, ":") {
			n, err := strconv.ParseFloat(part, 64) // beyond the range it is infinite, as in Python
			if err != nil && !errors.Is(err, strconv.ErrRange) {
				return math.NaN()
			}
			f = f*60 + n
		}
	}
	if negative {
		return -f
	}
	return f
}

func unsign(s string) (rest string, negative bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[1:], s[0] == '-'
	}
	return s, false
}
