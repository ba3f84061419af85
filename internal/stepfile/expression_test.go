package stepfile

import (
	"strings"
	"testing"
)

// What valohai-yaml's lint takes (leval 1.4.0, at most eight levels), and what it refuses.
func TestExpressions(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"stop > 1", "accuracy >= 0.9 and epoch > 10", "not done", "a.b.c == 'x'", "loss is None", "loss is not None",
		"epoch in (1, 2, 3)", "epoch not in {1, 2}", "abs(x) > 80", "f()", "min(a, b,)", "-a + +b", "1_000 > 0x1f", "1e5", ".5",
		"'a' 'b'", `r"x" == u'y'`, "a or b or c or d or e or f or g or h or i", "class.def > 1", "continue", "lambda", "a,", "a, b",
		"()", "(a\n> 1)", "a > 1 # why", "1+2+3+4+5+6+7", "not\"x\"", "((((((((((a))))))))))",
	} {
		t.Run("yes "+s, func(t *testing.T) {
			t.Parallel()
			if err := checkExpression(s); err != nil {
				t.Error(err)
			}
		})
	}
	for s, want := range map[string]string{
		"":                       "the end stands where a value is expected",
		"stop me if you can":     `"me" stands where an operator is expected`,
		"can't stop me now":      "a string is not closed",
		"a < b < c":              "comparisons can't be chained: join them by and",
		"a = 1":                  `"=" stands where an operator is expected`,
		"x[1]":                   "indexing with [ is not allowed",
		"[1]":                    `"[" stands where a value is expected`,
		"{1: 2}":                 "a map in braces is not allowed",
		"{}":                     `"}" stands where a value is expected`,
		"a.b(1)":                 "only functions can be called that have a name without a dot",
		"f(x=1)":                 "arguments with a name are not allowed",
		"f(*a)":                  `"*" stands where a value is expected`,
		"None.x":                 "only names can have a dot behind them",
		"f(x).y":                 "only names can have a dot behind them",
		"a.and":                  `"and" stands where a name is expected`,
		"a % b":                  `"%" stands where an operator is expected`,
		"a ** b":                 `"**" stands where an operator is expected`,
		"~a":                     `"~" stands where a value is expected`,
		"(a := 3)":               `":=" stands where ")" is expected`,
		"a if b else c":          `"if" stands where an operator is expected`,
		"f'x'":                   `a string with the prefix "f" is not allowed`,
		"b'x'":                   `a string with the prefix "b" is not allowed`,
		"3j":                     `"3j" is not a number`,
		"007":                    `"007" is not a number`,
		"0b2":                    `"0b2" is not a number`,
		"a $ b":                  `"$" has no place in an expression`,
		"a\n> 1":                 "it has more than one line",
		"1+2+3+4+5+6+7+8":        "it nests more than 8 levels deep",
		strings.Repeat("(", 500): "it has too many brackets in one another",
		strings.Repeat("a", 1e6): "it has more than 100000 bytes",
	} {
		t.Run("no "+clip(s), func(t *testing.T) {
			t.Parallel()
			if err := checkExpression(s); err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		})
	}
}

func FuzzExpression(f *testing.F) {
	for _, s := range []string{"a.b > 1 and not f(2, 'x')", "{1, 2}", "((a,), b)", "é is not None", "'''x", "0x", "1e+", "a\\", "r'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := checkExpression(s)
		if again := checkExpression("(" + s + ")"); err == nil && again != nil && !strings.Contains(s, "#") {
			t.Errorf("%q is an expression, and in brackets it is not: %v", s, again)
		}
	})
}
