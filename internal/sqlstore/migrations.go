package sqlstore

import (
	"fmt"
	"io/fs"

	"fairlead.dev/fairlead"
)

// Migration is one step of a schema. Steps are never changed and never undone: what
// was wrong in one is put right by a later one.
type Migration struct {
	// Number counts the steps from 1. It is the schema's version after the step.
	Number int
	SQL    string
}

// ParseMigrations reads the files *.sql in files, the names of which begin with their
// number: 0001_begin.sql.
func ParseMigrations(files fs.FS) ([]Migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, fmt.Errorf("reading migrations: %w", err)
	}
	list := make([]Migration, 0, len(names))
	for i, name := range names { // Glob sorts
		if number := fmt.Sprintf("%04d_", i+1); len(name) < len(number) || name[:len(number)] != number {
			return nil, fmt.Errorf("reading migrations: %s should begin with %s", name, number)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("reading migrations: %w", err)
		}
		list = append(list, Migration{Number: i + 1, SQL: string(text)})
	}
	return list, nil
}

// Pending gives the steps that a schema of version have still needs. A version that
// is newer than the last step is [fairlead.Invalid]: an older program must not write
// into a newer schema.
func Pending(all []Migration, have int) ([]Migration, error) {
	if have < 0 || have > len(all) {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, What: "opening store",
			Why:    fmt.Sprintf("its schema is version %d, and this fairlead knows versions up to %d", have, len(all)),
			Remedy: "start the newer fairlead that wrote it, or restore a backup from before the upgrade",
		}
	}
	return all[have:], nil
}
