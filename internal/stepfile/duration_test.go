package stepfile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		text string
		want time.Duration
		err  string
	}{
		{text: "1h 30m 5s", want: 5405 * time.Second},
		{text: "1.5h", want: 5400 * time.Second},
		{text: "2 weeks", want: 14 * 24 * time.Hour},
		{text: "2w", want: 14 * 24 * time.Hour},
		{text: "60 minutes  ", want: time.Hour},
		{text: "1h10m", want: 70 * time.Minute},
		{text: "1.5d 2hörs", want: 38 * time.Hour},
		{text: "1 Day, 2 HOURS", want: 26 * time.Hour},
		{text: "300", want: 300 * time.Second},
		{text: "1.5", want: 1500 * time.Millisecond},
		{text: "", want: 0},
		{text: "   ", want: 0},
		{text: "5x", err: `"5x" is not a duration: "x" is not a unit`},
		{text: "0s", err: `"0s" is no time at all`},
		{text: "-5s", err: `"-5s" is not a duration: a number is missing before "-5s"`},
		{text: "soon", err: `"soon" is not a duration: a number is missing before "soon"`},
		{text: "1.2.3s", err: `"1.2.3s" is not a duration: "1.2.3" is not a number`},
		{text: "5s!", err: `"5s!" is not a duration: a number is missing before "!"`},
		{text: "99999999999w", err: `"99999999999w" is more than a hundred years`},
	} {
		t.Run(row.text, func(t *testing.T) {
			t.Parallel()
			got, err := ParseDuration(row.text)
			if got != row.want || fmt.Sprint(err) != strings.TrimSpace(cmpOr(row.err)) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func cmpOr(s string) string {
	if s == "" {
		return "<nil>"
	}
	return s
}

// Whatever is written as numbers with units is their sum.
func TestDurationIsASum(t *testing.T) {
	t.Parallel()
	units := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		var want time.Duration
		for range rapid.IntRange(1, 5).Draw(t, "parts") {
			n := rapid.IntRange(1, 100).Draw(t, "n")
			unit := rapid.SampledFrom([]string{"s", "m", "h", "d", "w"}).Draw(t, "unit")
			fmt.Fprintf(&text, "%d%s%s%s%s", n, rapid.SampledFrom([]string{"", " "}).Draw(t, "gap"), unit,
				rapid.StringMatching(`[a-z]{0,4}`).Draw(t, "rest"), rapid.SampledFrom([]string{"", " ", ", "}).Draw(t, "end"))
			want += time.Duration(n) * units[unit]
		}
		if got, err := ParseDuration(text.String()); err != nil || got != want {
			t.Fatalf("%q: %v, %v; want %v", text.String(), got, err, want)
		}
	})
}

func FuzzParseDuration(f *testing.F) {
	f.Add("1h 30m 5s")
	f.Add("1.5d 2hörs")
	f.Add("٣h")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if d < 0 || d > maxDuration || err != nil && d != 0 {
			t.Errorf("%q: %v, %v", s, d, err)
		}
	})
}
