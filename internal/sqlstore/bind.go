package sqlstore

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// bindAll puts arguments into the few types that every driver takes. Text is made such
// as every database keeps: valid UTF-8 without the character 0, which PostgreSQL
// doesn't know.
func bindAll(args []any) ([]any, error) {
	bound := make([]any, len(args))
	for i, a := range args {
		b, err := bind(a)
		if err != nil {
			return nil, err
		}
		bound[i] = b
	}
	return bound, nil
}

func bind(a any) (any, error) {
	switch v := a.(type) {
	case nil, int64, bool:
		return v, nil
	case time.Time:
		return v.UnixMicro(), nil
	case []byte:
		if v == nil {
			return []byte{}, nil
		}
		return v, nil
	case document:
		return v.text()
	case indexed:
		return v.text()
	}
	switch v := reflect.ValueOf(a); {
	case v.Kind() == reflect.String:
		return clean(v.String()), nil
	case v.CanInt():
		return v.Int(), nil
	default:
		return nil, fmt.Errorf("a %T can't be bound", a)
	}
}

func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// mostIndexed is the greatest length in bytes of text that an index holds: what fits
// beside identifiers into PostgreSQL's 2704.
const mostIndexed = 1024

// indexed is text that an index holds and that doesn't come from this house. It is
// refused if it is too long.
type indexed string

func (s indexed) text() (any, error) {
	if len(s) > mostIndexed {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, What: "storing a name", Why: fmt.Sprintf("%q is longer than %d bytes", fairlead.Clip(string(s)), mostIndexed),
			Remedy: "shorten it",
		}
	}
	return clean(string(s)), nil
}

// short is as much of s as an index holds.
func short[T ~string](s T) string {
	return strings.ToValidUTF8(string(s[:min(len(s), mostIndexed)]), "")
}

// optional binds a zero value as NULL.
func optional[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

// when binds a zero time as NULL, so that it is before nothing.
func when(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// document binds and scans a value as JSON text. A nil pointer, map or slice is NULL.
type document struct{ value any }

func (d document) text() (any, error) {
	switch v := reflect.ValueOf(d.value); v.Kind() { //nolint:exhaustive // Of the kinds that can be nil, these are bound.
	case reflect.Pointer, reflect.Map, reflect.Slice:
		if v.IsNil() {
			return nil, nil
		}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // what is JSON already stays as it is
	if err := e.Encode(d.value); err != nil {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, What: "storing a value as JSON", Why: err.Error(), Remedy: "give valid JSON",
		}
	}
	return clean(strings.TrimSuffix(b.String(), "\n")), nil
}

// Scan reads into the pointer; NULL leaves the zero value.
func (d document) Scan(from any) error {
	switch v := from.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), d.value)
	case []byte:
		return json.Unmarshal(v, d.value)
	default:
		return fmt.Errorf("a %T isn't JSON", from)
	}
}

// stamp scans microseconds since 1970, or NULL for the zero time.
type stamp struct{ t *time.Time }

// Scan reads into the pointer.
func (s stamp) Scan(from any) error {
	switch v := from.(type) {
	case nil:
		*s.t = time.Time{}
	case int64:
		*s.t = time.UnixMicro(v).UTC()
	default:
		return fmt.Errorf("a %T isn't a time", from)
	}
	return nil
}

// orEmpty gives a map that is stored as {} rather than as NULL.
func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// mapOrNil and orNil: what is empty comes back as nil, whatever it was.
func mapOrNil[K comparable, V any](m map[K]V) map[K]V {
	if len(m) == 0 {
		return nil
	}
	return m
}

func orNil[T any](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return s
}

// maybe binds a nil pointer as NULL.
func maybe(n *int) any {
	if n == nil {
		return nil
	}
	return *n
}
