package stepfile

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestValueAsPythonPrintsIt(t *testing.T) {
	t.Parallel()
	all := Value{
		kind: kindTable,
		keys: []Value{textValue("a"), intValue(big.NewInt(1))},
		items: []Value{
			listValue([]Value{textValue("it's"), textValue(`"`), textValue(`'"`), textValue("a\n\t\\é\x01\u200b\U000e0001"), {}}),
			listValue([]Value{boolValue(true), boolValue(false), floatValue(1e-5), floatValue(2)}),
		},
	}
	want := `{'a': ["it's", '"', '\'"', 'a\n\t\\é\x01\u200b\U000e0001', None], 1: [True, False, 1e-05, 2.0]}`
	if diff := cmp.Diff(want, all.String()); diff != "" {
		t.Error(diff)
	}
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	wantJSON := `{"a":["it's","\"","'\"","a\n\t\\é\u0001` + "\u200b\U000e0001" + `",null],"1":[true,false,1e-05,2.0]}`
	if diff := cmp.Diff(wantJSON, string(data)); diff != "" {
		t.Error(diff)
	}
}

func TestValueThroughJSON(t *testing.T) {
	t.Parallel()
	for _, v := range []Value{
		{},
		boolValue(true), textValue("5"), floatValue(5), floatValue(1e-300), floatValue(1e22),
		intValue(new(big.Int).Lsh(big.NewInt(1), 200)), listValue([]Value{textValue("a"), intValue(big.NewInt(-3))}),
		{kind: kindTable, keys: []Value{textValue("k")}, items: []Value{floatValue(0.5)}},
	} {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			data, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			var back Value
			if err := json.Unmarshal(data, &back); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(v, back); diff != "" {
				t.Error(diff)
			}
		})
	}
	data, err := json.Marshal([]Value{floatValue(math.Inf(-1)), floatValue(math.NaN())})
	if err != nil || string(data) != `["-inf","nan"]` {
		t.Errorf("%s %v", data, err)
	}
}

func TestFloatReadsBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Draw(t, "f")
		back, ok := parseFloat(pythonFloat(f))
		if !ok || back != f {
			t.Fatalf("%v printed %s read %v", f, pythonFloat(f), back)
		}
	})
}

// What Python's int(text, 10) and float(text) take.
func TestNumbersAsPythonReadsThem(t *testing.T) {
	t.Parallel()
	const no = "no"
	for _, row := range []struct{ raw, whole, real string }{
		{"5", "5", "5.0"},
		{" -5 ", "-5", "-5.0"},
		{"+1_000", "1000", "1000.0"},
		{"1__0", no, no},
		{"_1", no, no},
		{"1_", no, no},
		{"", no, no},
		{"-", no, no},
		{".", no, no},
		{"5.3", no, "5.3"},
		{"1e-5", no, "1e-05"},
		{"1E5", no, "100000.0"},
		{"1e", no, no},
		{"1_0.0_1", no, "10.01"},
		{"1._0", no, no},
		{"1.", no, "1.0"},
		{".5", no, "0.5"},
		{"0x10", no, no},
		{"inf", no, "inf"},
		{"-Infinity", no, "-inf"},
		{"nan", no, "nan"},
		{"1e400", no, "inf"},
		{"True", no, no},
		{"007", "7", "7.0"},
	} {
		t.Run(row.raw, func(t *testing.T) {
			t.Parallel()
			whole, fraction := no, no
			if i, ok := parseInt(row.raw); ok {
				whole = i.String()
			}
			if f, ok := parseFloat(row.raw); ok {
				fraction = pythonFloat(f)
			}
			if whole != row.whole || fraction != row.real {
				t.Errorf("int %s, float %s", whole, fraction)
			}
		})
	}
}
