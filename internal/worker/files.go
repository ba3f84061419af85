package worker

import (
	"os"
	"path/filepath"

	"fairlead.dev/fairlead/internal/engine"
	"fairlead.dev/fairlead/internal/leash"
)

// Where things are in a container. The first four are Valohai's
// (docs.valohai.com, "System environment variables").
const (
	configPath     = "/valohai/config"
	inputsPath     = "/valohai/inputs"
	outputsPath    = "/valohai/outputs"
	repositoryPath = "/valohai/repository"

	leashPath  = "/.fairlead/" + leash.Name
	holdPath   = "/.fairlead/hold"
	scriptPath = "/.fairlead/script"
)

func (j *job) holdDir() string    { return filepath.Join(j.dir, "hold") }
func (j *job) configDir() string  { return filepath.Join(j.dir, "config") }
func (j *job) inputsDir() string  { return filepath.Join(j.dir, "inputs") }
func (j *job) outputsDir() string { return filepath.Join(j.dir, "outputs") }
func (j *job) codeDir() string    { return filepath.Join(j.dir, "repository") }
func (j *job) scriptFile() string { return filepath.Join(j.dir, "script") }

// makeDirs makes the run's directories. An image may run as any user, so that user
// must be able to write below them; other users of the machine can't get there,
// because the directory above is the worker's alone.
func (j *job) makeDirs() error {
	if err := os.MkdirAll(j.dir, dirMode); err != nil {
		return failed("making "+j.dir, err)
	}
	for _, dir := range []string{j.holdDir(), j.configDir(), j.inputsDir(), j.outputsDir(), j.codeDir()} {
		err := os.Mkdir(dir, 0o755) //nolint:gosec // See above.
		if err == nil && dir != j.holdDir() && dir != j.configDir() {
			err = os.Chmod(dir, 0o777) //nolint:gosec // See above.
		}
		if err != nil {
			return failed("making "+dir, err)
		}
	}
	if err := os.WriteFile(j.scriptFile(), []byte(j.run.Spec.Script), 0o755); err != nil { //nolint:gosec // See above.
		return failed("writing "+j.scriptFile(), err)
	}
	return nil
}

// mounts are what of the run's files is in its container.
func (j *job) mounts() []engine.Mount {
	return []engine.Mount{
		{Source: j.configDir(), Target: configPath, ReadOnly: true},
		{Source: j.inputsDir(), Target: inputsPath},
		{Source: j.outputsDir(), Target: outputsPath},
		{Source: j.codeDir(), Target: repositoryPath},
		{Source: j.Self, Target: leashPath, ReadOnly: true},
		{Source: j.holdDir(), Target: holdPath, ReadOnly: true},
		{Source: j.scriptFile(), Target: scriptPath, ReadOnly: true},
	}
}

// args are the container's command: the leash, with the interpreter and the script.
func (j *job) args() []string {
	args := []string{leashPath, holdPath + "/deadline"}
	return append(append(args, j.run.Spec.Interpreter...), scriptPath)
}
