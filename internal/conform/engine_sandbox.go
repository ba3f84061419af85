package conform

import (
	"archive/tar"
	"errors"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

var errLost = errors.New("the log is full")

type lostWriter struct{}

func (lostWriter) Write([]byte) (int, error) { return 0, errLost }

// testSandbox looks at the walls from the inside.
func testSandbox(t *testing.T, s *shop) {
	t.Helper()
	status := func(field string) string { return "sed -n 's/^" + field + ":[[:space:]]*//p' /proc/self/status" }
	const root = ""
	for _, row := range []struct{ name, user, script, want string }{
		{"no new privileges", root, status("NoNewPrivs"), "1"},
		{"seccomp", root, status("Seccomp"), "2"},
		{"capabilities", root, status("CapBnd"), s.kind.Capabilities},
		{"effective capabilities of root", root, status("CapEff"), s.kind.Capabilities},
		{"effective capabilities of others", "app", status("CapEff"), "0000000000000000"},
		{"permitted capabilities of others", "app", status("CapPrm"), "0000000000000000"},
		{"inheritable capabilities", root, status("CapInh"), "0000000000000000"},
		{"ambient capabilities", "app", status("CapAmb"), "0000000000000000"},
		{"its own processes", root, "echo $$; set -- /proc/[0-9]*; echo $#", "1\n1"},
		{"shared memory", root, "df -k /dev/shm | awk 'NR==2 {print $2}'; stat -c %a /dev/shm; echo x >/dev/shm/f", "2097152\n1777"},
		{"devices", root, "cd /dev; stat -c '%F' null zero full random urandom tty; for f in fd stdin ptmx; do readlink $f; done; echo x >null; head -c 2 zero | od -An -tx1 | tr -d ' '", strings.Repeat("character special file\n", 6) + "/proc/self/fd\n/proc/self/fd/0\npts/ptmx\n0000"},
		{"a disk", root, "mknod /tmp/disk b 254 0; head -c 1 /tmp/disk", "refused"},
		{"a disk's bytes", root, "mknod /tmp/disk b 254 0; echo >/tmp/disk", "refused"},
		{"memory", root, "mknod /tmp/mem c 1 1; head -c 1 /tmp/mem", "refused"},
		{"the kernel's log", root, "mknod /tmp/kmsg c 1 11; head -c 1 /tmp/kmsg", "refused"},
		{"mount", root, "mount -t tmpfs none /tmp", "refused"},
		{"mount again", root, "mount -o remount,rw /sys", "refused"},
		{"unmount", root, "umount /proc/kcore", "refused"},
		{"a user namespace", root, "unshare -U true", "refused"},
		{"a user namespace of others", "app", "unshare -U true", "refused"},
		{"a mount namespace", root, "unshare -m true", "refused"},
		{"pivot_root", root, "pivot_root / /tmp", "refused"},
		{"kernel modules", root, "insmod /etc/passwd", "refused"},
		{"the host name", root, "hostname other", "refused"},
		{"sysctl", root, "echo 1 >/proc/sys/kernel/panic", "refused"},
		{"sysrq", root, "echo h >/proc/sysrq-trigger", "refused"},
		{"cgroups", root, "mkdir /sys/fs/cgroup/x /sys/fs/cgroup/cpu/x", "refused"},
		{"sysfs", root, "echo 1 >/sys/kernel/profiling; mkdir /sys/x", "refused"},
		{"the kernel's memory", root, "head -c 1 /proc/kcore 2>/dev/null | wc -c", "0"},
		{"the kernel's keys", root, "cat /proc/keys | wc -c", "0"},
		{"timers", root, "cat /proc/timer_list | wc -c", "0"},
		{"firmware", root, "ls -A /sys/firmware | wc -l", "0"},
		{"nice", root, "nice -n -5 true", "refused"},
		{"the names of machines", root, "grep -c localhost /etc/hosts | grep -qv '^0$' && echo ok; hostname | cmp - /etc/hostname && echo same; [ -f /etc/resolv.conf ] && echo there", "ok\nsame\nthere"},
		{"its own files of names", root, "echo '192.0.2.9 x' >>/etc/hosts && echo ok", "ok"},
		{"file creation", root, "umask", "0022"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			script := row.script
			if row.want == "refused" {
				script = "(" + strings.ReplaceAll(script, "; ", " && ") + ") 2>/dev/null || echo refused"
			}
			c := s.container(script)
			if row.user != root {
				c.Image = s.image(t, func(c *v1.Config) { c.User = row.user })
			}
			o := s.run(t.Context(), c)
			if got := strings.TrimSpace(o.out); o.err != nil || got != row.want || o.errs != "" {
				t.Errorf("%q %q %v, want %q", o.out, o.errs, o.err, row.want)
			}
		})
	}
}

// testSetuid wants programs with setuid to give nobody more rights.
func testSetuid(t *testing.T, s *shop) {
	t.Helper()
	image := s.image(t, func(c *v1.Config) { c.User = "app" }, layer(t, dir("suid"), file("suid/id", program(t)).with(func(h *tar.Header) { h.Mode = 0o6755 })))
	c := s.container("stat -c '%a %u' /suid/id; /suid/id -u; /suid/id -un")
	c.Image = image
	if got, want := s.output(t, c), "6755 0\n1000\napp\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
