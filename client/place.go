package client

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"time"

	"fairlead.dev/fairlead/wire"
)

// place writes the path and query of a request, and says whether what is left of it is
// a body.
func place(route wire.Route, in any) (target string, body bool) {
	v := reflect.ValueOf(in)
	path := route.Path
	query := url.Values{}
	for _, f := range reflect.VisibleFields(v.Type()) {
		if f.Anonymous || !f.IsExported() {
			continue
		}
		value := v.FieldByIndex(f.Index)
		switch {
		case f.Tag.Get("path") != "":
			path = fill(path, f.Tag.Get("path"), fmt.Sprint(value.Interface()))
		case f.Tag.Get("query") != "":
			if !value.IsZero() {
				query.Set(f.Tag.Get("query"), written(value.Interface()))
			}
		default:
			body = body || f.Tag.Get("json") != "-"
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, body && !route.BytesIn
}

// fill puts a value into a path: escaped, and for a wildcard over slashes part by part.
func fill(path, name, value string) string {
	if strings.Contains(path, "{"+name+"...}") {
		parts := strings.Split(value, "/")
		for i, p := range parts {
			parts[i] = url.PathEscape(p)
		}
		return strings.ReplaceAll(path, "{"+name+"...}", strings.Join(parts, "/"))
	}
	return strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(value))
}

// written is a value as it stands in a URL.
func written(v any) string {
	if t, ok := v.(time.Time); ok {
		return t.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}
