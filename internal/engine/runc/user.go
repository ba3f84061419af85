package runc

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// account is as whom a container's program runs.
type account struct {
	uid, gid uint32
	groups   []uint32 // beside gid
	home     string
}

// lookUp finds the user that an image names, as user or user:group, each a name or a
// number, in its passwd and group files (passwd(5), group(5)). The rules are Docker's
// (github.com/moby/sys/user, GetExecUser): a number needs no entry; the groups of which
// the user is a member count unless a group is named.
func lookUp(wanted, passwd, group string) (account, error) {
	who, of, _ := strings.Cut(wanted, ":")
	a := account{home: "/"}
	name := ""
	uid, isNumber := number(who)
	entry, found := find(passwd, 4, func(f []string) bool {
		n, ok := number(f[2])
		return ok && (who == "" && n == 0 || f[0] == who || isNumber && n == uid)
	})
	switch {
	case found:
		name = entry[0]
		a.uid, _ = number(entry[2])
		a.gid, _ = number(entry[3])
		if len(entry) > 5 && entry[5] != "" {
			a.home = entry[5]
		}
	case isNumber:
		a.uid = uid
	case who != "":
		return account{}, fmt.Errorf("the image is to be run by the user %q, whom its /etc/passwd doesn't have", who)
	}
	if of != "" {
		gid, isNumber := number(of)
		entry, found := find(group, 3, func(f []string) bool {
			n, ok := number(f[2])
			return ok && (f[0] == of || isNumber && n == gid)
		})
		switch {
		case found:
			a.gid, _ = number(entry[2])
		case isNumber:
			a.gid = gid
		default:
			return account{}, fmt.Errorf("the image is to be run by the group %q, which its /etc/group doesn't have", of)
		}
		return a, nil
	}
	if name != "" {
		a.groups = memberOf(name, group)
	}
	return a, nil
}

// memberOf lists the groups that a user is a member of.
func memberOf(name, group string) []uint32 {
	var groups []uint32
	_, _ = find(group, 4, func(f []string) bool {
		if gid, ok := number(f[2]); ok && slices.Contains(strings.Split(f[3], ","), name) {
			groups = append(groups, gid)
		}
		return false
	})
	return groups
}

// find gives the fields of the first line that fits, of those with enough fields.
func find(file string, fields int, fits func([]string) bool) ([]string, bool) {
	for line := range strings.Lines(file) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) >= fields && fits(f) {
			return f, true
		}
	}
	return nil, false
}

// number reads a user's or group's number. The highest stands for none (chown(2)).
func number(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && n < math.MaxUint32
}
