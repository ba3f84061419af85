package fairlead_test

import (
	"errors"
	"fmt"
	"testing"

	"fairlead.dev/fairlead"
)

func TestErrorText(t *testing.T) {
	t.Parallel()
	cause := errors.New("disk on fire")
	for _, row := range []struct {
		err  *fairlead.Error
		want string
	}{
		{&fairlead.Error{What: "opening store"}, "opening store"},
		{&fairlead.Error{What: "opening store", Why: "it is a directory", Remedy: "name a file"}, "opening store: it is a directory"},
		{(&fairlead.Error{What: "opening store"}).Because(cause), "opening store: disk on fire"},
		{(&fairlead.Error{What: "opening store", Why: "it broke"}).Because(cause), "opening store: it broke"},
	} {
		if got := row.err.Error(); got != row.want {
			t.Errorf("Error() = %q, want %q", got, row.want)
		}
	}
}

func TestErrorKindAndCode(t *testing.T) {
	t.Parallel()
	inner := &fairlead.Error{Kind: fairlead.Denied, Code: fairlead.CodeNoRight, What: "pulling"}
	wrapped := fmt.Errorf("in between: %w", inner)
	if fairlead.KindOf(wrapped) != fairlead.Denied || fairlead.CodeOf(wrapped) != fairlead.CodeNoRight {
		t.Error("kind or code is lost by wrapping")
	}
	if fairlead.KindOf(nil) != "" || fairlead.KindOf(errors.New("x")) != fairlead.Internal || fairlead.CodeOf(errors.New("x")) != "" {
		t.Error("kinds of nil and of other errors")
	}
	if !errors.Is(wrapped, &fairlead.Error{Kind: fairlead.Denied}) || errors.Is(wrapped, &fairlead.Error{Kind: fairlead.NotFound}) {
		t.Error("errors.Is by kind")
	}
	if !errors.Is(wrapped, &fairlead.Error{Code: fairlead.CodeNoRight}) || errors.Is(wrapped, &fairlead.Error{Code: fairlead.CodeDNS}) {
		t.Error("errors.Is by code")
	}
	if got := fairlead.AsError("doing", wrapped); got != inner {
		t.Errorf("AsError gives %v, want the one in the chain", got)
	}
	other := errors.New("else")
	if got := fairlead.AsError("doing", other); got.Kind != fairlead.Internal || !errors.Is(got, other) {
		t.Errorf("AsError of another error gives %v", got)
	}
}
