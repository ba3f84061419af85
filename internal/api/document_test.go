package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

func routesOfTable() []string {
	var list []string
	for _, r := range wire.Routes() {
		list = append(list, r.Method+" "+strings.ReplaceAll(r.Path, "...}", "}")+" "+r.ID)
	}
	slices.Sort(list)
	return list
}

// document is the OpenAPI document as a client reads it.
func document(t *testing.T, p *fairleadtest.Plane) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/openapi.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatalf("the document is no JSON: %v", err)
	}
	return doc
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func routesOfDocument(t *testing.T, p *fairleadtest.Plane) []string {
	t.Helper()
	var list []string
	for path, item := range object(document(t, p)["paths"]) {
		for method, op := range object(item) {
			id, _ := object(op)["operationId"].(string)
			list = append(list, strings.ToUpper(method)+" "+path+" "+id)
		}
	}
	slices.Sort(list)
	return list
}
