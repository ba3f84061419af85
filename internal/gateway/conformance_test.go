package gateway_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"fairlead.dev/fairlead/internal/registrytest"
)

// TestConformance runs the specification's own tests (1.1.1, the workflow "pull") against
// the gateway, in front of a registry that was filled before.
func TestConformance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "conformance")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, ".")
	build.Dir = filepath.Join("testdata", "conformance")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the conformance tests: %v\n%s", err, out)
	}
	for _, auth := range []registrytest.Auth{registrytest.Basic, registrytest.Bearer} {
		t.Run(string(auth), func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, auth)
			image := registrytest.RandomImage(t, 2000)
			digest := r.push(t, image, "team/app:v1")
			layer, _ := layerOf(t, image, 0)
			report := t.TempDir()
			tests := exec.CommandContext(t.Context(), program, "-ginkgo.json-report="+filepath.Join(report, "report.json"))
			tests.Dir = report
			tests.Env = append(os.Environ(),
				"OCI_ROOT_URL="+r.URL, "OCI_NAMESPACE="+r.at("team/app"), "OCI_USERNAME=acme", "OCI_PASSWORD="+r.token,
				"OCI_TEST_PULL=1", "OCI_TAG_NAME=v1", "OCI_MANIFEST_DIGEST="+digest, "OCI_BLOB_DIGEST="+layer, "OCI_REPORT_DIR=none",
			)
			out, err := tests.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if passed := passedIn(t, filepath.Join(report, "report.json")); passed < 10 {
				t.Errorf("only %d of the tests were run:\n%s", passed, out)
			}
		})
	}
}

// passedIn counts the tests about pulling that were run and have passed.
func passedIn(t *testing.T, file string) int {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var suites []struct {
		SpecReports []struct {
			ContainerHierarchyTexts []string
			State                   string
		}
	}
	if err := json.Unmarshal(b, &suites); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, suite := range suites {
		for _, s := range suite.SpecReports {
			if s.State == "passed" && strings.Contains(strings.Join(s.ContainerHierarchyTexts, " "), "Pull") {
				n++
			}
		}
	}
	return n
}
