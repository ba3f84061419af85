package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// binding is how a request's type is filled: fields with a `path` or `query` tag from
// the URL, the others from the JSON body.
type binding struct {
	schemas huma.Registry
	params  []param
	// body is the schema of the JSON body, nil if there is none.
	body *huma.Schema
	in   reflect.Type
}

// param is one field that travels in the URL.
type param struct {
	name, in string // in is path or query
	index    []int
	schema   *huma.Schema
	doc      string
}

func (a *API) newBinding(route wire.Route) *binding {
	b := &binding{schemas: a.schemas, in: route.In}
	body := false
	for _, f := range reflect.VisibleFields(route.In) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		p := param{index: f.Index, doc: f.Tag.Get("doc")}
		switch {
		case f.Tag.Get("path") != "":
			p.name, p.in = f.Tag.Get("path"), "path"
		case f.Tag.Get("query") != "":
			p.name, p.in = f.Tag.Get("query"), "query"
		default:
			body = body || f.Tag.Get("json") != "-"
			continue
		}
		p.schema = huma.SchemaFromField(a.schemas, f, "")
		b.params = append(b.params, p)
	}
	if body && !route.BytesIn {
		b.body = a.schemas.Schema(route.In, true, "")
	}
	return b
}

// read fills in from the URL and the body. The error is [fairlead.Invalid] and names
// the field.
func (b *binding) read(r *http.Request, in any) error {
	if b.body != nil {
		if err := b.readBody(r, in); err != nil {
			return err
		}
	}
	return b.readURL(r, in)
}

func (b *binding) readBody(r *http.Request, in any) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return invalid("", "the body isn't marked as JSON", "send it with Content-Type: application/json")
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return invalid("", fmt.Sprintf("the body has more than %d bytes", maxBody), "send less")
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return invalid("", "the body didn't come in time", "send it again, and faster")
		}
		return invalid("", "the body ended early", "send it again")
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		if e, ok := errors.AsType[*json.SyntaxError](err); ok {
			return invalid("", fmt.Sprintf("the body isn't JSON: byte %d doesn't belong there", e.Offset), "send one JSON object")
		}
		return invalid("", "the body isn't JSON", "send one JSON object")
	}
	if err := b.check(b.body, "", v); err != nil {
		return err
	}
	if key, found := b.miswritten(b.body, v); found {
		return invalid(fairlead.Clip(key), "there is no such field: case matters", "see /docs for the form")
	}
	if err := json.Unmarshal(text, in); err != nil {
		return invalid("", "a value of the body is of the wrong form", "see /docs for the form")
	}
	return nil
}

// miswritten finds a key that isn't written as the schema has it. huma and encoding/json
// take NAME for name, and of both each another one: what was checked would not be what
// is used.
func (b *binding) miswritten(s *huma.Schema, v any) (key string, found bool) {
	if s.Ref != "" {
		s = b.schemas.SchemaFromRef(s.Ref)
	}
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			if s.Items == nil {
				break
			}
			if key, found := b.miswritten(s.Items, one); found {
				return key, true
			}
		}
	case map[string]any:
		rest, open := s.AdditionalProperties.(*huma.Schema)
		for name, one := range v {
			p := s.Properties[name]
			switch {
			case p == nil && open:
				p = rest
			case p == nil && len(s.Properties) > 0:
				return name, true
			case p == nil:
				continue
			}
			if key, found := b.miswritten(p, one); found {
				return key, true
			}
		}
	}
	return "", false
}

// check compares a value with its schema; at is what to call it.
func (b *binding) check(s *huma.Schema, at string, v any) error {
	path := huma.NewPathBuffer(make([]byte, 0, 64), 0)
	if at != "" {
		path.Push(at)
	}
	res := &huma.ValidateResult{}
	huma.Validate(b.schemas, s, path, huma.ModeWriteToServer, v, res)
	if len(res.Errors) == 0 {
		return nil
	}
	field, why := at, res.Errors[0].Error()
	if d, ok := errors.AsType[*huma.ErrorDetail](res.Errors[0]); ok {
		// The value is left out: it may be a secret in the wrong place.
		field, why = d.Location, d.Message
	}
	return invalid(field, why, "see /docs for the form")
}

// readURL fills the fields that travel in the URL.
func (b *binding) readURL(r *http.Request, in any) error {
	v := reflect.ValueOf(in).Elem()
	var query map[string][]string
	for _, p := range b.params {
		var text string
		if p.in == "path" {
			text = r.PathValue(p.name)
		} else {
			if query == nil {
				query = r.URL.Query()
			}
			given, ok := query[p.name]
			if !ok {
				continue
			}
			text = given[0]
		}
		if err := b.set(v.FieldByIndex(p.index), p, text); err != nil {
			return err
		}
	}
	return nil
}

func (b *binding) set(field reflect.Value, p param, text string) error {
	var value any = text
	switch field.Kind() {
	case reflect.String:
		field.SetString(text)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return invalid(p.name, "it is not a whole number", "give a number")
		}
		field.SetInt(n)
		value = float64(n)
	case reflect.Bool:
		on, err := strconv.ParseBool(text)
		if err != nil {
			return invalid(p.name, "it is neither true nor false", "give true or false")
		}
		field.SetBool(on)
		value = on
	case reflect.Struct:
		t, err := time.Parse(time.RFC3339, text)
		at, ok := reflect.TypeAssert[*time.Time](field.Addr())
		if err != nil || !ok {
			return invalid(p.name, "it is no time", "give one such as 2026-01-02T15:04:05Z (RFC 3339)")
		}
		*at = t
	default:
		return fairlead.AsError("reading "+p.name, fmt.Errorf("no way to read a %s", field.Type()))
	}
	return b.check(p.schema, p.name, value)
}

func invalid(field, why, remedy string) error {
	return &fairlead.Error{Kind: fairlead.Invalid, Field: field, What: "reading request", Why: why, Remedy: remedy}
}
