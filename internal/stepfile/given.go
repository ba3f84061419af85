package stepfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// toValue takes a value as a caller gives it: nil, a bool, a text, a number, or a list
// of those.
func toValue(v any) (Value, error) {
	switch v := v.(type) {
	case nil:
		return Value{}, nil
	case Value:
		return v, nil
	case bool:
		return boolValue(v), nil
	case string:
		return textValue(v), nil
	case int:
		return intValue(big.NewInt(int64(v))), nil
	case int64:
		return intValue(big.NewInt(v)), nil
	case float64:
		return floatValue(v), nil
	case json.Number:
		return numberValue(v.String())
	case []string:
		items := make([]Value, len(v))
		for i, s := range v {
			items[i] = textValue(s)
		}
		return listValue(items), nil
	case []any:
		return toList(v)
	default:
		return Value{}, fmt.Errorf("a %T is no value", v)
	}
}

func toList(all []any) (Value, error) {
	items := make([]Value, len(all))
	for i, item := range all {
		v, err := toValue(item)
		if err != nil {
			return Value{}, err
		}
		if v.kind == kindList {
			return Value{}, errors.New("a list in a list is no value")
		}
		items[i] = v
	}
	return listValue(items), nil
}

// numberValue reads a number of JSON: one with neither point nor exponent is whole.
func numberValue(s string) (Value, error) {
	if !strings.ContainsAny(s, ".eE") {
		if i, ok := parseInt(s); ok {
			return intValue(i), nil
		}
	}
	if f, ok := parseFloat(s); ok {
		return floatValue(f), nil
	}
	return Value{}, fmt.Errorf("%s is no number", show(s))
}

// cast makes a value what the type of the parameter says, as valohai-yaml's validation
// does, or says why it can't.
func (p *Parameter) cast(v Value) (cast Value, why string) {
	switch p.Type {
	case "integer":
		if v.kind == kindText && v.text == "" {
			return v, "has no value"
		}
		if i, ok := parseInt(v.String()); ok {
			return intValue(i), ""
		}
		return v, describeValue(v) + " is not a whole number"
	case "float":
		if v.kind == kindText && v.text == "" {
			return v, "has no value"
		}
		if f, ok := parseFloat(v.String()); ok && v.kind != kindBool {
			return floatValue(f), ""
		}
		return v, describeValue(v) + " is not a number"
	case "flag":
		if v.kind == kindBool {
			return v, ""
		}
		if b, ok := flagWord(v.String()); ok {
			return boolValue(b), ""
		}
		return v, describeValue(v) + " is neither true nor false"
	default:
		if v.kind == kindText {
			return v, ""
		}
		return textValue(v.String()), ""
	}
}

func describeValue(v Value) string {
	if v.kind == kindText {
		return show(v.text)
	}
	return clip(v.String())
}

// refuses says why a value of the right type isn't allowed, or "". The value is shown as
// it was written.
func (p *Parameter) refuses(v, written Value) string {
	if p.Type == "flag" {
		return ""
	}
	numeric := p.Type == "integer" || p.Type == "float"
	shown := describeValue(written)
	if numeric {
		shown = clip(written.String())
	}
	if numeric && p.Min != nil && compare(v, *p.Min) < 0 {
		return shown + " is less than the minimum " + p.Min.String()
	}
	if numeric && p.Max != nil && compare(v, *p.Max) > 0 {
		return shown + " is greater than the maximum " + p.Max.String()
	}
	if len(p.Choices) == 0 {
		return ""
	}
	for _, c := range p.Choices {
		if one, why := p.cast(c); c.sameAs(v) || why == "" && one.sameAs(v) {
			return ""
		}
	}
	return shown + " is not one of the choices " + choices(p.Choices)
}

// choices lists them, and cuts the list when it is long.
func choices(all []Value) string {
	names := make([]string, 0, min(len(all), maxListed))
	for i, c := range all {
		if i == maxListed {
			names = append(names, "…")
			break
		}
		names = append(names, describeValue(c))
	}
	return strings.Join(names, ", ")
}

// sameAs compares as Python does: 1 and 1.0 are the same.
func (v Value) sameAs(w Value) bool {
	if v.isNumber() && w.isNumber() {
		return compare(v, w) == 0
	}
	return v.String() == w.String()
}

func (v Value) isNumber() bool { return v.kind == kindInt || v.kind == kindFloat }

// number is the value of a number as a float.
func (v Value) number() float64 {
	if v.kind == kindInt {
		f, _ := new(big.Float).SetInt(v.whole).Float64()
		return f
	}
	return v.real
}

// compare orders two numbers; NaN is equal to everything, so that no bound refuses it.
func compare(a, b Value) int {
	if a.kind == kindInt && b.kind == kindInt {
		return a.whole.Cmp(b.whole)
	}
	x, y := a.number(), b.number()
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// falsy is Python's notion of it.
func (v Value) falsy() bool {
	switch v.kind {
	case kindNull:
		return true
	case kindBool:
		return !v.truth
	case kindInt:
		return v.whole.Sign() == 0
	case kindFloat:
		return v.real == 0
	case kindText:
		return v.text == ""
	default:
		return v.kind != kindDate && len(v.items) == 0
	}
}

// parseInt reads a whole number as Python's int(text, 10) does, of ASCII digits.
func parseInt(s string) (*big.Int, bool) {
	digits, negative := unsign(strings.TrimSpace(s))
	if !wellFormed(digits) || len(digits) > maxDigits {
		return nil, false
	}
	i, ok := new(big.Int).SetString(strings.ReplaceAll(digits, "_", ""), 10)
	if ok && negative {
		i.Neg(i)
	}
	return i, ok
}

// wellFormed tells whether s is digits with single underscores between them.
func wellFormed(s string) bool {
	last := byte('_')
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c != '_' || last == '_') {
			return false
		}
		last = c
	}
	return last != '_'
}

// parseFloat reads a number as Python's float(text) does: decimal, inf, infinity or nan.
func parseFloat(s string) (float64, bool) {
	body := strings.TrimSpace(s)
	digits, negative := unsign(strings.ToLower(body))
	switch digits {
	case "inf", "infinity":
		if negative {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	case "nan":
		return math.NaN(), true
	case "":
		return 0, false
	}
	mantissa, exponent, hasExponent := strings.Cut(digits, "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	exponent, _ = unsign(exponent)
	fine := (whole == "" || wellFormed(whole)) && (fraction == "" || wellFormed(fraction)) && whole+fraction != "" &&
		(!hasExponent || wellFormed(exponent))
	if !fine || len(digits) > maxDigits {
		return 0, false
	}
	f, _ := strconv.ParseFloat(strings.ReplaceAll(body, "_", ""), 64) // beyond the range it is infinite, as in Python
	return f, true
}

// flagWord reads the words that a flag may be given as (those of click, which Valohai's
// command line is built with).
func flagWord(s string) (truth, ok bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "t", "1", "yes", "y", "on":
		return true, true
	case "false", "f", "0", "no", "n", "off":
		return false, true
	}
	return false, false
}
