package api_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

// TestDocument holds the OpenAPI document to what the specification (3.1.0) asks of one,
// and of the JSON schemas (draft 2020-12) in it.
func TestDocument(t *testing.T) {
	t.Parallel()
	doc := document(t, fairleadtest.Open(t))
	if doc["openapi"] != "3.1.0" || object(doc["info"])["title"] == "" || object(doc["info"])["version"] == "" {
		t.Errorf("it begins with %v, %v", doc["openapi"], doc["info"])
	}
	d := reader{t, doc, map[string]bool{}}
	open := map[string]bool{}
	for _, r := range wire.Routes() {
		open[r.ID] = r.Open
	}
	for path, item := range object(doc["paths"]) {
		for method, op := range object(item) {
			d.operation(method+" "+path, path, object(op), open)
		}
	}
	for name, schema := range object(object(doc["components"])["schemas"]) {
		d.schema("components/schemas/"+name, object(schema))
	}
	for name := range object(object(doc["components"])["schemas"]) {
		if !d.used[name] {
			t.Errorf("schema %s is used nowhere", name)
		}
	}
}

// reader checks a document; used are the schemas that something refers to.
type reader struct {
	t    *testing.T
	doc  map[string]any
	used map[string]bool
}

func (d reader) operation(at, path string, op map[string]any, open map[string]bool) {
	id, _ := op["operationId"].(string)
	for _, key := range []string{"operationId", "summary", "responses"} {
		if op[key] == nil || op[key] == "" {
			d.t.Errorf("%s has no %s", at, key)
		}
	}
	if tags, _ := op["tags"].([]any); len(tags) != 1 {
		d.t.Errorf("%s has tags %v", at, op["tags"])
	}
	if secured := op["security"] != nil; secured == open[id] {
		d.t.Errorf("%s says of security %v", at, op["security"])
	}
	inPath := map[string]bool{}
	seen := map[string]bool{}
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		p := object(p)
		name := fmt.Sprint(p["in"], " ", p["name"])
		if seen[name] {
			d.t.Errorf("%s has parameter %s twice", at, name)
		}
		seen[name] = true
		if p["in"] == "path" {
			inPath[fmt.Sprint(p["name"])] = true
			if p["required"] != true {
				d.t.Errorf("%s: parameter %s isn't required", at, name)
			}
		}
		d.schema(at+" "+name, object(p["schema"]))
	}
	wildcards := map[string]bool{}
	for _, m := range regexp.MustCompile(`\{([^}]*)\}`).FindAllStringSubmatch(path, -1) {
		wildcards[m[1]] = true
	}
	if !maps.Equal(wildcards, inPath) {
		d.t.Errorf("%s has the parameters %v", at, slices.Sorted(maps.Keys(inPath)))
	}
	if body := object(op["requestBody"]); body != nil {
		d.content(at+" request", body)
	}
	responses := object(op["responses"])
	if responses["default"] == nil || len(responses) < 2 {
		d.t.Errorf("%s has the responses %v", at, slices.Sorted(maps.Keys(responses)))
	}
	for status, r := range responses {
		r := object(r)
		if s, _ := r["description"].(string); s == "" {
			d.t.Errorf("%s: response %s has no description", at, status)
		}
		if status != "204" {
			d.content(at+" "+status, r)
		}
	}
}

func (d reader) content(at string, v map[string]any) {
	content := object(v["content"])
	if len(content) != 1 {
		d.t.Errorf("%s has %d sorts of content", at, len(content))
	}
	for kind, m := range content {
		if !strings.Contains(kind, "/") || object(m)["schema"] == nil {
			d.t.Errorf("%s has content %s without a schema", at, kind)
		}
		d.schema(at, object(object(m)["schema"]))
	}
}

// schema walks a schema: what it refers to is there, and its words are JSON Schema's.
func (d reader) schema(at string, s map[string]any) {
	if s == nil {
		d.t.Errorf("%s has no schema", at)
		return
	}
	if ref, ok := s["$ref"].(string); ok {
		name, local := strings.CutPrefix(ref, "#/components/schemas/")
		if !local || object(object(d.doc["components"])["schemas"])[name] == nil {
			d.t.Errorf("%s refers to %s, which isn't there", at, ref)
		}
		d.used[name] = true
	}
	for key, v := range s {
		switch key {
		case "$ref", "$schema", "description", "format", "title", "default", "examples", "pattern", "readOnly", "writeOnly", "contentEncoding", "contentMediaType":
		case "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems":
			if _, ok := v.(float64); !ok {
				d.t.Errorf("%s: %s is %v", at, key, v)
			}
		case "type":
			d.types(at, v)
		case "enum":
			if list, _ := v.([]any); len(list) == 0 {
				d.t.Errorf("%s: enum is %v", at, v)
			}
		case "required":
			list, _ := v.([]any)
			for _, name := range list {
				if object(s["properties"])[fmt.Sprint(name)] == nil {
					d.t.Errorf("%s requires %v, which it doesn't have", at, name)
				}
			}
		case "items":
			d.schema(at+"[]", object(v))
		case "properties":
			for name, p := range object(v) {
				d.schema(at+"."+name, object(p))
			}
		case "additionalProperties":
			if _, ok := v.(bool); !ok {
				d.schema(at+".*", object(v))
			}
		default:
			d.t.Errorf("%s has the word %s: %v", at, key, v)
		}
	}
}

func (d reader) types(at string, v any) {
	list, several := v.([]any)
	if !several {
		list = []any{v}
	}
	for _, one := range list {
		if name, _ := one.(string); !slices.Contains([]string{"string", "integer", "number", "boolean", "object", "array", "null"}, name) {
			d.t.Errorf("%s has type %v", at, one)
		}
	}
}
