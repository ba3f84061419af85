package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// profile is a log-in as it is kept: in a file that only its user may read.
type profile struct {
	Server string     `json:"server"`
	Token  wire.Clear `json:"token"`
	User   string     `json:"user"`
}

func (a *app) profileFile() (string, error) {
	dir, err := a.configDir()
	return filepath.Join(dir, "login.json"), err
}

// profile reads the log-in; there may be none.
func (a *app) profile() (profile, error) {
	file, err := a.profileFile()
	if err != nil {
		return profile{}, nil //nolint:nilerr // Without a place there is no log-in.
	}
	b, err := os.ReadFile(file) //nolint:gosec // The user's own file.
	if errors.Is(err, fs.ErrNotExist) {
		return profile{}, nil
	}
	var p profile
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		return profile{}, &fairlead.Error{
			Kind: fairlead.Invalid, What: "reading your log-in in " + file, Why: "it can't be read or is damaged", Remedy: "remove it and log in again",
		}
	}
	return p, nil
}

// keep writes the log-in, or takes it away if p is empty.
func (a *app) keep(p profile) error {
	file, err := a.profileFile()
	if err != nil {
		return err
	}
	if p.Server == "" {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return keepError(file, err)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return keepError(file, err)
	}
	b, err := json.Marshal(p)
	if err != nil {
		return keepError(file, err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".login-*") // mode 0600
	if err != nil {
		return keepError(file, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return keepError(file, err)
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return keepError(file, err)
	}
	return nil
}

func keepError(file string, err error) error {
	return &fairlead.Error{Kind: fairlead.Unavailable, What: "keeping your log-in in " + file, Why: err.Error(), Remedy: "set FAIRLEAD_CONFIG_DIR to a directory of yours"}
}
