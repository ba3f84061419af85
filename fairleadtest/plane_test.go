package fairleadtest_test

import (
	"testing"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/fairleadtest"
	"fairlead.dev/fairlead/wire"
)

func TestPlane(t *testing.T) {
	t.Parallel()
	p := fairleadtest.Start(t)
	me := fairleadtest.Must(t, p.Ann, wire.Whoami, wire.None{})
	if me.Subject.Name != "ann" || len(me.Memberships) != 1 || me.Memberships[0].Role != fairlead.Admin {
		t.Errorf("ann is %+v", me)
	}
	bob := p.User(p.Ann, "acme", "bob", fairlead.Member)
	if me := fairleadtest.Must(t, bob, wire.Whoami, wire.None{}); me.Memberships[0].Role != fairlead.Member {
		t.Errorf("bob is %+v", me)
	}
	eve := p.Organization("evil", "eve")
	if me := fairleadtest.Must(t, eve, wire.Whoami, wire.None{}); len(me.Memberships) != 1 || me.Memberships[0].Organization != "evil" {
		t.Errorf("eve is %+v", me)
	}
}
