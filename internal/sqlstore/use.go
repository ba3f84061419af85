package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"fairlead.dev/fairlead"
)

// use is a way in which something is used by others.
type use struct {
	query string // gives the users' names, and how many there are in all
	users string // what the users are
	first string // what is to be done with them
}

// The uses that keep something from being removed.
func registriesUsing() use {
	return use{"RegistriesUsing", "registries", "give them another connector, or remove them, first"}
}

func stacksUsing() use {
	return use{"StacksUsing", "stacks", "give them another registry, or delete them, first"}
}

func projectsUsing() use {
	return use{"ProjectsUsing", "projects", "give them another stack, or none, first"}
}

// unused asks that nobody uses the thing, and names some of those that do.
func (w *writer) unused(ctx context.Context, doing string, u use, org fairlead.OrganizationID, id any) error {
	const shown = 5
	var names []string
	var all int
	err := w.each(ctx, doing, u.query, func(r row) error {
		var name string
		err := r.Scan(&name, &all)
		names = append(names, name)
		return err
	}, org, id, shown)
	if err != nil || all == 0 {
		return err
	}
	using := strings.Join(names, ", ")
	if more := all - len(names); more > 0 {
		using += fmt.Sprintf(" and %d more", more)
	}
	return w.refuse(conflict(doing, fairlead.CodeInUse, "it is used by the "+u.users+" "+using, u.first))
}
