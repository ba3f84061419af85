package stepfile

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxDuration keeps a duration far from the end of time.Duration.
const maxDuration = 100 * 365 * 24 * time.Hour

// ParseDuration reads a duration as a step file writes it: numbers, each with a unit whose
// first letter counts (s m h d w), in any number and order: "1h 30m 5s", "1.5h",
// "2 weeks", "1h10m". A number without a unit is seconds. A blank text is 0, no limit. The
// sources are valohai-yaml's documentation of time-limit and what its parser accepts; it
// doesn't accept a number without a unit, and it skips what it doesn't understand.
func ParseDuration(s string) (time.Duration, error) {
	rest := strings.TrimSpace(s)
	if rest == "" {
		return 0, nil
	}
	total := 0.0
	for rest != "" {
		digits := prefix(rest, func(r rune) bool { return r == '.' || r >= '0' && r <= '9' })
		if digits == "" {
			return 0, fmt.Errorf("%s is not a duration: a number is missing before %s", show(s), show(rest))
		}
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			return 0, fmt.Errorf("%s is not a duration: %s is not a number", show(s), show(digits))
		}
		rest = strings.TrimLeftFunc(rest[len(digits):], unicode.IsSpace)
		unit := prefix(rest, unicode.IsLetter)
		seconds, ok := unitSeconds(unit)
		if !ok {
			return 0, fmt.Errorf("%s is not a duration: %s is not a unit", show(s), show(unit))
		}
		total += n * seconds
		rest = strings.TrimLeftFunc(rest[len(unit):], func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	}
	if total <= 0 {
		return 0, errors.New(show(s) + " is no time at all")
	}
	if total > maxDuration.Seconds() {
		return 0, errors.New(show(s) + " is more than a hundred years")
	}
	return time.Duration(math.Round(total * float64(time.Second))), nil
}

// prefix is the longest beginning of s whose characters all fit.
func prefix(s string, fits func(rune) bool) string {
	for i, r := range s {
		if !fits(r) {
			return s[:i]
		}
	}
	return s
}

func unitSeconds(unit string) (float64, bool) {
	if unit == "" {
		return 1, true
	}
	switch unit[0] | 0x20 {
	case 's':
		return 1, true
	case 'm':
		return 60, true
	case 'h':
		return 60 * 60, true
	case 'd':
		return 24 * 60 * 60, true
	case 'w':
		return 7 * 24 * 60 * 60, true
	}
	return 0, false
}

const durationRemedy = "write whole seconds, or a text like '1h 30m'"

// optDuration reads a key that may hold a duration; 0 = none.
func (o *object) optDuration(key string) time.Duration {
	e := o.get(key)
	if e == nil {
		return 0
	}
	path := o.sub(key)
	v := o.r.value(e.val)
	switch v.kind {
	case kindInt:
		return o.seconds(e, path, v)
	case kindText:
		d, err := ParseDuration(v.text)
		if err != nil {
			o.r.add(SeverityError, at(e.val), path, finding{"duration", key + ": " + err.Error(), durationRemedy})
		}
		return d
	default:
		o.r.wrong(e.val, path, durationRemedy)
		return 0
	}
}

// seconds reads a duration that is a whole number.
func (o *object) seconds(e *entry, path string, v Value) time.Duration {
	key := e.key.Value
	f, _ := v.whole.Float64()
	switch {
	case v.whole.Sign() < 0:
		o.r.add(SeverityError, at(e.val), path, finding{"duration", key + " is negative", durationRemedy})
		return 0
	case v.whole.Sign() == 0:
		o.r.add(SeverityWarning, at(e.val), path, finding{"duration", key + " is 0, which means no limit", "leave the key out"})
		return 0
	case f > maxDuration.Seconds():
		o.r.add(SeverityError, at(e.val), path, finding{"duration", key + " is more than a hundred years", durationRemedy})
		return 0
	}
	if strings.Contains(follow(e.val).Value, ":") {
		o.r.add(SeverityWarning, at(e.val), path, finding{
			"yaml-sexagesimal", noun(path) + " is " + o.r.describe(e.val) + " seconds", "write '1h 30m', in quotes, for what you mean",
		})
	}
	return time.Duration(v.whole.Int64()) * time.Second
}
