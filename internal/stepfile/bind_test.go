package stepfile

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const given1 = `parameters:
  - {name: epochs, type: integer, default: 5, min: 1, max: 10}
  - {name: rate, type: float, optional: true, min: 0.1}
  - {name: mode, choices: [slow, fast], optional: true}
  - {name: size, type: integer, choices: [1, 2], optional: true}
  - {name: verbose, type: flag}
  - {name: tags, multiple: repeat, choices: [a, b]}
  - {name: numbers, type: integer, multiple: separate, min: 0}`

func TestGivenParameters(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		value any
		want  Value
		err   string
	}{
		{name: "epochs", value: "7", want: intValue(big.NewInt(7))},
		{name: "epochs", value: 7, want: intValue(big.NewInt(7))},
		{name: "epochs", value: int64(7), want: intValue(big.NewInt(7))},
		{name: "epochs", value: json.Number("7"), want: intValue(big.NewInt(7))},
		{name: "epochs", value: "0", err: `parameter "epochs": 0 is less than the minimum 1`},
		{name: "epochs", value: "12", err: `parameter "epochs": 12 is greater than the maximum 10`},
		{name: "epochs", value: "5.3", err: `parameter "epochs": "5.3" is not a whole number`},
		{name: "epochs", value: 5.3, err: `parameter "epochs": 5.3 is not a whole number`},
		{name: "epochs", value: true, err: `parameter "epochs": True is not a whole number`},
		{name: "epochs", value: "", err: `parameter "epochs" has no value: give a number`},
		{name: "epochs", value: nil, err: `parameter "epochs" has no value: give one, since it is not optional`},
		{name: "epochs", value: []string{"1", "2"}, err: `parameter "epochs": it takes one value, and 2 are given`},
		{name: "epochs", value: struct{}{}, err: `parameter "epochs": a struct {} is no value`},
		{name: "epochs", value: []any{[]any{1}}, err: `parameter "epochs": a list in a list is no value`},
		{name: "rate", value: "1e-1", want: floatValue(0.1)},
		{name: "rate", value: "0.01", err: `parameter "rate": 0.01 is less than the minimum 0.1`},
		{name: "rate", value: "fast", err: `parameter "rate": "fast" is not a number`},
		{name: "rate", value: true, err: `parameter "rate": True is not a number`},
		{name: "rate", value: nil, want: Value{}},
		{name: "mode", value: "fast", want: textValue("fast")},
		{name: "mode", value: "Fast", err: `parameter "mode": "Fast" is not one of the choices "slow", "fast"`},
		{name: "mode", value: 5, err: `parameter "mode": 5 is not one of the choices "slow", "fast"`},
		{name: "size", value: "2", want: intValue(big.NewInt(2))},
		{name: "size", value: "3", err: `parameter "size": 3 is not one of the choices 1, 2`},
		{name: "verbose", value: true, want: boolValue(true)},
		{name: "verbose", value: "Yes", want: boolValue(true)},
		{name: "verbose", value: "off", want: boolValue(false)},
		{name: "verbose", value: 1, want: boolValue(true)},
		{name: "verbose", value: "maybe", err: `parameter "verbose": "maybe" is neither true nor false`},
		{name: "tags", value: []string{"a", "b"}, want: listValue([]Value{textValue("a"), textValue("b")})},
		{name: "tags", value: "a", want: listValue([]Value{textValue("a")})},
		{name: "tags", value: []string{"a", "c"}, err: `parameter "tags": "c" is not one of the choices "a", "b"`},
		{name: "numbers", value: []any{"1", 2}, want: listValue([]Value{intValue(big.NewInt(1)), intValue(big.NewInt(2))})},
		{name: "numbers", value: []any{"-1"}, err: `parameter "numbers": -1 is less than the minimum 0`},
		{name: "epoch", value: "1", err: `step "a" has no parameter "epoch": did you mean "epochs"?`},
		{name: "Tags", value: "1", err: `step "a" has no parameter "Tags": did you mean "tags"?`},
		{name: "something", value: "1", err: `step "a" has no parameter "something": the parameters are "epochs", "rate", "mode", "size", "verbose", "tags", "numbers"`},
	} {
		t.Run(row.name+" "+row.want.String()+row.err, func(t *testing.T) {
			t.Parallel()
			r, err := Resolve(one(t, given1), Values{Parameters: map[string]any{row.name: row.value}})
			if row.err != "" {
				if err == nil || err.Error() != row.err {
					t.Fatalf("%v", err)
				}
				if all := ValueErrors(err); len(all) != 1 || all[0].Field != "parameters."+row.name {
					t.Errorf("%+v", all)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, r.Parameters[row.name]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRequiredValues(t *testing.T) {
	t.Parallel()
	s := one(t, `parameters: [{name: p}, {name: q, optional: true}, {name: f, type: flag}, {name: m, multiple: repeat}, {name: d, default: ''}]
environment-variables: [{name: TOKEN, optional: false}, {name: MAYBE}, {name: SET, optional: false, default: ''}]
inputs: [{name: model}, {name: extra, optional: true}, {name: none, default: []}, {name: given, default: s3://x}]`)
	_, err := Resolve(s, Values{Inputs: map[string][]string{"given": {}, "mdoel": {"s3://y"}}})
	want := []*ValueError{
		{Field: "parameters.p", Why: `parameter "p" has no value`, Remedy: "give one, since it is not optional"},
		{Field: "environment_variables.TOKEN", Why: `environment variable "TOKEN" has no value`, Remedy: "give one, since it is not optional"},
		{Field: "inputs.model", Why: `input "model" has no URL`, Remedy: "give one, since it is not optional"},
		{Field: "inputs.given", Why: `input "given" has no URL`, Remedy: "give one, since it is not optional"},
		{Field: "inputs.mdoel", Why: `step "a" has no input "mdoel"`, Remedy: `did you mean "model"?`},
	}
	if diff := cmp.Diff(want, ValueErrors(err)); diff != "" {
		t.Error(diff)
	}
	if _, err := Resolve(s, Values{
		Parameters: map[string]any{"p": ""}, Variables: map[string]string{"TOKEN": ""}, Inputs: map[string][]string{"model": {"s3://m"}},
	}); err != nil {
		t.Error(err)
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	s := one(t, "environment-variables: [{name: A, default: a}, {name: B, default: b}, {name: C}]")
	r, err := Resolve(s, Values{Variables: map[string]string{"B": "other", "D": "d"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"A": "a", "B": "other", "D": "d"}, r.Variables); diff != "" {
		t.Error(diff)
	}
	_, err = Resolve(s, Values{Variables: map[string]string{"": "hush", "X=Y": "hush", "N": "hush\x00"}})
	if diff := cmp.Diff([]*ValueError{
		{Field: "environment_variables.", Why: `"" can't be the name of an environment variable`, Remedy: "use letters, digits and _"},
		{Field: "environment_variables.N", Why: `environment variable "N" holds a NUL character`, Remedy: "remove it"},
		{Field: "environment_variables.X=Y", Why: `"X=Y" can't be the name of an environment variable`, Remedy: "use letters, digits and _"},
	}, ValueErrors(err)); diff != "" {
		t.Error(diff)
	}
}
