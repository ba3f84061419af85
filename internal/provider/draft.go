package provider

import (
	"time"

	"fairlead.dev/fairlead"
)

// Draft is a connector that is to be.
type Draft struct {
	Name    fairlead.Name
	Family  fairlead.Family
	Method  string
	Given   Given
	Expires time.Time
}

// Change is what is to be different about a connector; what isn't set stays.
type Change struct {
	Name   fairlead.Name
	Method string
	Given  Given // an empty public value removes the field
	// Expires replaces the date; one that is zero removes it.
	Expires *time.Time
	// Version refuses the change ([fairlead.Conflict]) if it isn't the stored one; 0
	// takes any.
	Version int64
}

// Rotation is a change to new secrets: all of them.
type Rotation struct {
	Change
	// Keep is how long the old ones are kept.
	Keep time.Duration
}

// Empty reports whether nothing is to be different.
func (c Change) Empty() bool {
	return c.Name == "" && c.Method == "" && len(c.Given.Public) == 0 && len(c.Given.Secret) == 0 && c.Expires == nil
}

// Checked is a connector that was checked, and what its secrets said about themselves.
type Checked struct {
	fairlead.Connector
	Facts []fairlead.Fact
}
