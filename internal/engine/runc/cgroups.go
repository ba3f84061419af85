package runc

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroupRoot is where cgroups are mounted.
const cgroupRoot = "/sys/fs/cgroup"

// cgroupMode is how a machine has its cgroups.
type cgroupMode int

const (
	noCgroups cgroupMode = iota
	cgroupsV1            // a hierarchy for each controller (cgroups(7), "CGROUPS VERSION 1")
	cgroupsV2            // one for all
)

// cgroups is what can be limited on a machine.
type cgroups struct {
	mode cgroupMode
	// mixed: some controllers are in a hierarchy of version 2 beside those of version 1,
	// which crun doesn't take. The helper hides that one from it.
	mixed bool
	root  string
	// parent is the cgroup of this engine, which its containers are below of.
	parent string
}

// unified is where a machine has the second version beside the first.
const unified = "unified"

// findCgroups looks what is mounted and can be written, for the engine of a directory.
func findCgroups(root, dir string) cgroups {
	sum := sha256.Sum256([]byte(dir))
	parent := fmt.Sprintf("fairlead-%x", sum[:6])
	var st unix.Statfs_t
	if unix.Statfs(root, &st) != nil {
		return cgroups{}
	}
	if st.Type == unix.CGROUP2_SUPER_MAGIC {
		if unix.Access(root, unix.W_OK) != nil {
			return cgroups{}
		}
		return cgroups{mode: cgroupsV2, root: root, parent: parent}
	}
	// Without the devices controller a container could be let near every device.
	devices := filepath.Join(root, "devices")
	if unix.Statfs(devices, &st) != nil || st.Type != unix.CGROUP_SUPER_MAGIC || unix.Access(devices, unix.W_OK) != nil {
		return cgroups{}
	}
	controllers, err := os.ReadFile(filepath.Join(root, unified, "cgroup.controllers")) //nolint:gosec // The kernel's own.
	return cgroups{mode: cgroupsV1, mixed: err == nil && strings.TrimSpace(string(controllers)) != "", root: root, parent: parent}
}

// close removes the engine's own cgroup, which is empty.
func (c cgroups) close() {
	switch c.mode {
	case noCgroups:
	case cgroupsV2:
		_ = os.Remove(filepath.Join(c.root, c.parent))
	case cgroupsV1:
		list, _ := filepath.Glob(filepath.Join(c.root, "*", c.parent))
		for _, dir := range list {
			_ = os.Remove(dir)
		}
	}
}
