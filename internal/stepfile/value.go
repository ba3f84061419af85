package stepfile

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// kind is what YAML 1.1 makes of a value.
type kind uint8

const (
	kindNull kind = iota
	kindBool
	kindInt
	kindFloat
	kindText
	kindDate
	kindList
	kindTable // a mapping
)

// Value is a value as YAML 1.1 reads it and as Python prints it: Valohai's library is
// written in Python, so that is the text that a program sees. The zero Value is null.
type Value struct {
	kind  kind
	text  string // of a text; of a date, as it was written
	truth bool
	whole *big.Int
	real  float64
	items []Value // of a list; of a table, its values
	keys  []Value // of a table
}

func textValue(s string) Value      { return Value{kind: kindText, text: s} }
func boolValue(b bool) Value        { return Value{kind: kindBool, truth: b} }
func floatValue(f float64) Value    { return Value{kind: kindFloat, real: f} }
func intValue(i *big.Int) Value     { return Value{kind: kindInt, whole: i} }
func listValue(items []Value) Value { return Value{kind: kindList, items: items} }

// IsNull tells whether there is no value.
func (v Value) IsNull() bool { return v.kind == kindNull }

// String is what Python's str gives: True, None, 1e-05, ['a', 'b'].
func (v Value) String() string {
	if v.kind == kindText || v.kind == kindDate {
		return v.text
	}
	return v.repr()
}

// repr is what Python's repr gives.
func (v Value) repr() string {
	switch v.kind {
	case kindBool:
		if v.truth {
			return "True"
		}
		return "False"
	case kindInt:
		return v.whole.String()
	case kindFloat:
		return pythonFloat(v.real)
	case kindText, kindDate:
		return pythonQuote(v.text)
	case kindList:
		parts := make([]string, len(v.items))
		for i, item := range v.items {
			parts[i] = item.repr()
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case kindTable:
		parts := make([]string, len(v.items))
		for i, item := range v.items {
			parts[i] = v.keys[i].repr() + ": " + item.repr()
		}
		return "{" + strings.Join(parts, ", ") + "}"
	default:
		return "None"
	}
}

// Equal tells whether two values are the same, kind and content.
func (v Value) Equal(w Value) bool { return v.kind == w.kind && v.repr() == w.repr() }

// MarshalJSON writes the value as Python's json module does (5.0 stays 5.0), but for
// infinities and NaN, which JSON hasn't: they are the texts that Python's float reads.
func (v Value) MarshalJSON() ([]byte, error) {
	switch v.kind {
	case kindBool:
		return strconv.AppendBool(nil, v.truth), nil
	case kindInt:
		return []byte(v.whole.String()), nil
	case kindFloat:
		if math.IsInf(v.real, 0) || math.IsNaN(v.real) {
			return json.Marshal(pythonFloat(v.real))
		}
		return []byte(pythonFloat(v.real)), nil
	case kindText, kindDate:
		return json.Marshal(v.text)
	case kindList:
		return v.marshalList()
	case kindTable:
		return v.marshalTable()
	default:
		return []byte("null"), nil
	}
}

// UnmarshalJSON reads what MarshalJSON writes; a table comes back sorted.
func (v *Value) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var raw any
	if err := d.Decode(&raw); err != nil {
		return err
	}
	var err error
	*v, err = fromJSON(raw)
	return err
}

func fromJSON(raw any) (Value, error) {
	switch raw := raw.(type) {
	case []any:
		v := listValue(make([]Value, len(raw)))
		for i, item := range raw {
			var err error
			if v.items[i], err = fromJSON(item); err != nil {
				return Value{}, err
			}
		}
		return v, nil
	case map[string]any:
		v := Value{kind: kindTable}
		for _, k := range slices.Sorted(maps.Keys(raw)) {
			item, err := fromJSON(raw[k])
			if err != nil {
				return Value{}, err
			}
			v.keys, v.items = append(v.keys, textValue(k)), append(v.items, item)
		}
		return v, nil
	default:
		return toValue(raw)
	}
}

func (v Value) marshalList() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('[')
	for i, item := range v.items {
		if i > 0 {
			b.WriteByte(',')
		}
		j, err := item.MarshalJSON()
		if err != nil {
			return nil, err
		}
		b.Write(j)
	}
	b.WriteByte(']')
	return b.Bytes(), nil
}

func (v Value) marshalTable() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, item := range v.items {
		if i > 0 {
			b.WriteByte(',')
		}
		k, err := json.Marshal(v.keys[i].String())
		if err != nil {
			return nil, err
		}
		j, err := item.MarshalJSON()
		if err != nil {
			return nil, err
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(j)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
