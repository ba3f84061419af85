package runc

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// HelperName is the base name of argv[0] by which the binary becomes the helper.
const HelperName = "fairlead-mount"

// Exit codes of the helper.
const (
	exitFailed     = 1
	exitWrongUsage = 2
)

// HelperMain is the helper's main function. Its mount namespace is its own. Called as
// "run DIR" it mounts the root of the container in that directory and becomes the
// runtime; as "probe DIR" it tries whether a container could be mounted there.
func HelperMain(args []string, errs io.Writer) int {
	if len(args) != 2 {
		_, _ = fmt.Fprintln(errs, "usage:", HelperName, "run|probe DIR")
		return exitWrongUsage
	}
	var err error
	switch args[0] {
	case "run":
		if err = becomeRuntime(args[1]); err != nil {
			_ = os.WriteFile(filepath.Join(args[1], "failure"), encodeFailure(err), 0o600)
		}
	case "probe":
		if err = probeMounts(args[1]); err != nil {
			_, _ = fmt.Fprintln(errs, err)
		}
	default:
		return exitWrongUsage
	}
	if err != nil {
		return exitFailed
	}
	return 0
}

// becomeRuntime returns only if it couldn't.
func becomeRuntime(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "plan.json")) //nolint:gosec // The engine's own.
	if err != nil {
		return failed("reading the plan", err)
	}
	var p plan
	if err := json.Unmarshal(b, &p); err != nil {
		return failed("reading the plan", err)
	}
	if p.HideUnified {
		if err := unix.Unmount(filepath.Join(cgroupRoot, unified), unix.MNT_DETACH); err != nil {
			return failed("hiding the cgroups of version 2", err)
		}
	}
	var flags uintptr
	if p.NoDevices {
		flags = unix.MS_NODEV
	}
	if err := mountOverlay(dir, len(p.Layers), flags); err != nil {
		return failed("mounting the container's root", err)
	}
	root, err := openRoot(filepath.Join(dir, "root"))
	if err != nil {
		return failed("opening the container's root", err)
	}
	if err := errors.Join(root.restoreImplied(p.Layers), root.furnish(&p)); err != nil {
		return failed("preparing the container's root", err)
	}
	config, err := json.Marshal(p.Spec)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600)
	}
	if err != nil {
		return failed("writing the container's configuration", err)
	}
	root.close()
	return failed("starting "+p.Runtime, syscall.Exec(p.Command[0], p.Command, environment())) //nolint:gosec // The engine's own plan.
}

// mountOverlay mounts the container's root. A mount's options fit into a page, and so
// the layers have short names: those of the links in the directory l, which is made the
// working directory for it.
func mountOverlay(dir string, layers int, flags uintptr) error {
	if err := os.Chdir(filepath.Join(dir, "l")); err != nil {
		return err
	}
	names := make([]string, layers)
	for n := range names {
		names[n] = fmt.Sprint(n)
	}
	if layers == 0 {
		// An image of nothing: overlayfs wants a lower directory.
		if err := os.Mkdir("none", 0o755); err != nil { //nolint:gosec // Within the container everybody may see that it is empty.
			return err
		}
		names = []string{"none"}
	}
	options := "lowerdir=" + strings.Join(names, ":") + ",upperdir=../upper,workdir=../work"
	return errors.Join(unix.Mount("overlay", "../root", "overlay", flags, options), os.Chdir("/"))
}
