package runc

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"strconv"
	"strings"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/engine"
)

// specVersion is that of the runtime specification that crun 1.8 and runc 1.1 know.
const specVersion = "1.0.2"

// shmSize is the size of /dev/shm, in bytes: programs that train hand data between
// their processes through it, and Docker's 64 MiB are too few. It takes memory only as
// it is filled.
const shmSize = 2 << 30

// spec describes a container to the runtime. What depends on the image's files, the
// helper adds.
func (r *run) spec(c engine.Container, i *image) (*specs.Spec, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	files, err := r.networkFiles(host)
	if err != nil {
		return nil, err
	}
	s := &specs.Spec{
		Version: specVersion, Hostname: host, Root: &specs.Root{Path: r.file("root")},
		Process: r.process(c, i, host), Mounts: append(r.kernelMounts(), files...), Linux: r.linux(),
	}
	for _, m := range c.Mounts {
		s.Mounts = append(s.Mounts, bind(m.Source, m.Target, m.ReadOnly))
	}
	if err := r.limit(s, c.CPUs); err != nil {
		return nil, err
	}
	s.Linux.Seccomp, err = seccomp.GetDefaultProfile(s)
	return s, err
}

func (r *run) process(c engine.Container, i *image, host string) *specs.Process {
	dir := c.Dir
	if dir == "" {
		dir = i.config.WorkingDir
	}
	p := &specs.Process{
		Args: c.Args, Cwd: filepath.Join("/", dir), NoNewPrivileges: true,
		Env:          mergeEnv([]string{"PATH=" + searchPath, "HOSTNAME=" + host}, i.config.Env, c.Env),
		Capabilities: r.capabilities(),
	}
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		p.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: files.Max, Soft: files.Max}}
	}
	return p
}

// mergeEnv adds variables to others, and lets later ones count.
func mergeEnv(lists ...[]string) []string {
	var merged []string
	at := map[string]int{}
	for _, list := range lists {
		for _, v := range list {
			name, _, _ := strings.Cut(v, "=")
			if n, ok := at[name]; ok {
				merged[n] = v
				continue
			}
			at[name] = len(merged)
			merged = append(merged, v)
		}
	}
	return merged
}

// capabilities are Docker's default ones (github.com/moby/moby, oci/caps), but for
// CAP_NET_RAW: see the package's comment. The helper takes from them what a user other
// than root doesn't have.
func (r *run) capabilities() *specs.LinuxCapabilities {
	list := []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP",
		"CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
	}
	if r.e.cgroups.mode != noCgroups {
		list = append(list, "CAP_MKNOD") // only the devices controller makes that harmless
	}
	return &specs.LinuxCapabilities{Bounding: list, Effective: list, Permitted: list}
}

// linux is what Docker has (github.com/moby/moby, oci.DefaultLinuxSpec), with the
// machine's network.
func (r *run) linux() *specs.Linux {
	l := &specs.Linux{
		Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.UTSNamespace}, {Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}},
		MaskedPaths: []string{
			"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
			"/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
		},
		ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
	}
	if r.e.cgroups.mode != noCgroups {
		l.Namespaces = append(l.Namespaces, specs.LinuxNamespace{Type: specs.CgroupNamespace})
		l.CgroupsPath = "/" + r.e.cgroups.parent + "/" + r.id
		// The runtime lets through what every container has, such as /dev/null.
		l.Resources = &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}}
	}
	return l
}

// kernelMounts are the file systems that every container has.
func (r *run) kernelMounts() []specs.Mount {
	list := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=" + strconv.Itoa(shmSize)}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
	}
	if r.e.cgroups.mode != noCgroups {
		list = append(list, specs.Mount{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"ro", "nosuid", "noexec", "nodev"}})
	}
	return list
}

func bind(source, target string, readOnly bool) specs.Mount {
	m := specs.Mount{Destination: filepath.Join("/", target), Type: "bind", Source: source, Options: []string{"rbind", "rprivate"}}
	if readOnly {
		m.Options = append(m.Options, "ro")
	}
	return m
}

// networkFiles gives the container copies of the files by which the machine finds
// names. It may change them.
func (r *run) networkFiles(host string) ([]specs.Mount, error) {
	hosts, err := os.ReadFile("/etc/hosts")
	if err != nil {
		hosts = []byte("127.0.0.1\tlocalhost\n::1\tlocalhost\n")
	}
	if !regexp.MustCompile(`(?m)^[^#\n]*\s` + regexp.QuoteMeta(host) + `(\s|$)`).Match(hosts) {
		hosts = fmt.Appendf(hosts, "\n127.0.0.1\t%s\n", host) // programs look their own name up
	}
	resolv, _ := os.ReadFile("/etc/resolv.conf") // without it there are no names
	var mounts []specs.Mount
	for _, f := range []struct {
		name    string
		content []byte
	}{{"hosts", hosts}, {"hostname", []byte(host + "\n")}, {"resolv.conf", resolv}} {
		file := filepath.Join(r.file("etc"), f.name)
		if err := os.WriteFile(file, f.content, 0o644); err != nil { //nolint:gosec // Every user of the container reads it.
			return nil, err
		}
		mounts = append(mounts, bind(file, "/etc/"+f.name, false))
	}
	return mounts, nil
}

// period is what a share of the processors is counted in, in microseconds (Linux,
// "CFS Bandwidth Control").
const period = 100_000

// limit limits the processors.
func (r *run) limit(s *specs.Spec, cpus string) error {
	l, err := engine.ParseCPUs(cpus, goruntime.NumCPU())
	if err != nil || l.Number == 0 && len(l.Cores) == 0 {
		return err
	}
	if s.Linux.Resources == nil {
		return &fairlead.Error{
			Kind: fairlead.Invalid, Field: "VH_CPU_LIMIT", What: "limiting processors", Why: "this worker's machine has no cgroups that can be written",
			Remedy: "leave VH_CPU_LIMIT out, or run the step on another worker",
		}
	}
	s.Linux.Resources.CPU = &specs.LinuxCPU{Cpus: l.List()}
	if l.Number > 0 {
		every, quota := uint64(period), int64(math.Round(l.Number*period))
		s.Linux.Resources.CPU.Period, s.Linux.Resources.CPU.Quota = &every, &quota
	}
	return nil
}
