package worker

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// environment is the step's, over the system's own variables (docs.valohai.com,
// "System environment variables").
func (j *job) environment() []string {
	env := map[string]string{
		"VH_CONFIG_DIR":     configPath,
		"VH_INPUTS_DIR":     inputsPath,
		"VH_OUTPUTS_DIR":    outputsPath,
		"VH_REPOSITORY_DIR": repositoryPath,
		"VH_JOB_ID":         "exec-" + string(j.run.ID),
		"VH_EXECUTION_ID":   string(j.run.ID),
		"VH_PROJECT_ID":     string(j.run.Project),
	}
	maps.Copy(env, j.run.Spec.Environment)
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// writeConfig writes the files of the configuration directory, each as JSON and YAML
// (docs.valohai.com, "System configuration files").
func (j *job) writeConfig() error {
	inputs, err := j.inputsConfig()
	if err != nil {
		return err
	}
	parameters := j.run.Spec.Parameters
	if parameters == nil {
		parameters = map[string]json.RawMessage{}
	}
	for name, value := range map[string]any{
		"execution":  j.executionConfig(),
		"inputs":     inputs,
		"parameters": parameters,
		"runtime":    map[string]any{"engine": j.Engine.Name(), "platform": j.Engine.Platform(), "worker-version": j.Version},
	} {
		if err := j.writeBoth(name, value); err != nil {
			return err
		}
	}
	return nil
}

// writeBoth writes a value as JSON, and the same as YAML.
func (j *job) writeBoth(name string, value any) error {
	asJSON, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return failed("writing "+name+".json", err)
	}
	var tree yaml.Node // JSON is YAML; a node keeps each value as it is written
	if err := yaml.Unmarshal(asJSON, &tree); err != nil {
		return failed("writing "+name+".yaml", err)
	}
	block(&tree)
	asYAML, err := yaml.Marshal(&tree)
	if err != nil {
		return failed("writing "+name+".yaml", err)
	}
	for ext, b := range map[string][]byte{".json": append(asJSON, '\n'), ".yaml": asYAML} {
		if err := os.WriteFile(filepath.Join(j.configDir(), name+ext), b, 0o644); err != nil { //nolint:gosec // The container's user reads it.
			return failed("writing "+name+ext, err)
		}
	}
	return nil
}

// block takes JSON's style out of a tree's maps and lists. Its texts stay in quotes:
// one that looks like a number is one no more without them.
func block(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode {
		n.Style = 0
	}
	for _, c := range n.Content {
		block(c)
	}
}

// executionConfig has the flat keys that programs written for Valohai read.
func (j *job) executionConfig() map[string]any {
	return map[string]any{
		"valohai.creator-id":           j.run.Creator.ID,
		"valohai.creator-name":         j.run.Creator.Name,
		"valohai.execution-counter":    j.run.Number,
		"valohai.execution-ctime":      j.run.Created.UTC().Format(time.RFC3339Nano),
		"valohai.execution-id":         string(j.run.ID),
		"valohai.execution-image":      j.run.Spec.Image,
		"valohai.execution-qtime":      j.run.Claimed.UTC().Format(time.RFC3339Nano),
		"valohai.execution-status":     "started",
		"valohai.execution-step":       j.run.Spec.Step,
		"valohai.project-id":           string(j.run.Project),
		"valohai.project-name":         j.project,
		"fairlead.image-digest":        string(j.pulled.Digest),
		"fairlead.execution-attempt":   j.run.Attempt,
		"fairlead.image-registry-name": string(j.pulled.Registry),
	}
}
