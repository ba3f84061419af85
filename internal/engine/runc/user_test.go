package runc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	passwd = "root:x:0:0:root:/root:/bin/sh\n\n# comment\nbad line\nshort:x:5\nword:x:five:5::/:\napp:x:1000:1001:An app:/home/app:/bin/sh\napp:x:7:7::/second:\nhomeless:x:8:8\n 9 :x:9:9::/nine:\n12:x:13:13::/named-12:\nmost:x:4294967295:1::/:"
	group  = "root:x:0:\nstaff:x:50:app,other\nvideo:x:44:other,app\nlone:x:60\nword:x:six:app\n50:x:51:\napp:x:1001:app"
)

func TestLookUp(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		wanted string
		want   account
		why    string
	}{
		{"", account{home: "/root"}, ""},
		{"root", account{home: "/root"}, ""},
		{"app", account{1000, 1001, []uint32{50, 44, 1001}, "/home/app"}, ""},
		{"1000", account{1000, 1001, []uint32{50, 44, 1001}, "/home/app"}, ""},
		{"app:50", account{1000, 50, nil, "/home/app"}, ""}, // the first line that fits, by number or name
		{"app:staff", account{1000, 50, nil, "/home/app"}, ""},
		{"app:lone", account{1000, 60, nil, "/home/app"}, ""},
		{"app:99", account{1000, 99, nil, "/home/app"}, ""},
		{":staff", account{0, 50, nil, "/root"}, ""},
		{"homeless", account{8, 8, nil, "/"}, ""},
		{"12", account{13, 13, nil, "/named-12"}, ""},
		{"77:88", account{77, 88, nil, "/"}, ""},
		{"nobody", account{}, `the user "nobody"`},
		{"word", account{}, `the user "word"`},
		{"short", account{}, `the user "short"`},
		{"most", account{}, `the user "most"`},
		{"4294967295", account{}, `the user "4294967295"`},
		{"-1", account{}, `the user "-1"`},
		{"app:none", account{}, `the group "none"`},
		{"app:word", account{}, `the group "word"`},
	} {
		t.Run("user "+row.wanted, func(t *testing.T) {
			t.Parallel()
			got, err := lookUp(row.wanted, passwd, group)
			if row.why != "" {
				if err == nil || !strings.Contains(err.Error(), row.why) {
					t.Errorf("%+v %v", got, err)
				}
				return
			}
			if diff := cmp.Diff(row.want, got, cmp.AllowUnexported(account{})); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
}

// FuzzLookUp wants a number that is named to be what is taken, whatever the files say.
func FuzzLookUp(f *testing.F) {
	for _, wanted := range []string{"", "app", "1000", "app:staff", ":", "1:2:3"} {
		f.Add(wanted, passwd, group)
	}
	f.Fuzz(func(t *testing.T, wanted, passwd, group string) {
		a, err := lookUp(wanted, passwd, group)
		if err != nil {
			if (a.uid != 0 || a.gid != 0 || a.groups != nil) || strings.Trim(wanted, ":0123456789") == "" && len(wanted) < 5 && strings.Count(wanted, ":") < 2 {
				t.Errorf("%q: %+v %v", wanted, a, err)
			}
			return
		}
		if a.uid == 1<<32-1 || a.gid == 1<<32-1 || a.home == "" {
			t.Errorf("%q: %+v", wanted, a)
		}
		// Of a file without entries, only numbers are taken, and as they are.
		if plain, err := lookUp("1234:5678", "", ""); err != nil || plain.uid != 1234 || plain.gid != 5678 {
			t.Errorf("%+v %v", plain, err)
		}
	})
}
