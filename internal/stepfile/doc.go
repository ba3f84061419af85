// Package stepfile reads valohai.yaml: it parses the file, finds what is wrong with it
// (file, line, column, rule, remedy) and builds the command of a step.
//
// The format is Valohai's. The sources are the public library valohai-yaml 0.57.0
// (its JSON Schema and its behaviour), leval 1.4.0 (the expressions of stop-condition)
// and valohai-cli, all on github.com/valohai, and docs.valohai.com. No code is theirs.
//
// # Compatibility
//
// A file that Valohai accepts is accepted here, with these exceptions, each an error
// because the file can't mean what it says: an empty name, an empty or unreadable image
// name, an empty command, a #! line without a path, a key written twice in one map, a
// negative time, two kinds of item in one list entry, a name or filename of an input
// that would leave its directory, a name of a variable that can't be set, a checksum
// that can't be one, a pass-as template that Python could not fill in (or with a format,
// {v:.3f}, which Python could). The schema of deployments and blueprints, which Valohai
// has and doesn't apply, is applied. A date that stands where a text must stand is
// taken as it is written, with a warning. Where Valohai's lint warns, this package
// warns; a step name that is used twice is such a case (the last step wins, as it does
// there), and an unknown key at the top level another.
//
// # Rules
//
// The words in [Problem].Rule don't change: action, checksum, choice, command-empty,
// duplicate-name, duration, edge, empty, exclusive, file-empty, file-encoding, file-name,
// file-size, flag-multiple, image-name, item, length, mount, no-effect,
// parameter-default, pattern, placeholder, preset-environment, range, reference,
// required, shebang, stop-condition, target, template, too-many, type, unknown-item,
// unknown-key, variable-name, yaml-alias, yaml-date, yaml-documents, yaml-duplicate-key,
// yaml-merge, yaml-nesting, yaml-sexagesimal, yaml-syntax, yaml-tab, yaml-tag; and in
// notes not-run, parameters-unused.
//
// # What is run
//
// Only steps are performed. Tasks, pipelines, endpoints and deployments are checked
// to the depth of the public schema, and [File.Notes] says that they are not run.
//
// # The command
//
// Nobody documents how Valohai joins the list of commands, and the public evidence
// conflicts. Here one interpreter performs one script: each item has its placeholders
// filled in, is stripped, and is dropped when nothing is left; the rest is joined by
// newlines. So `export`, `&`, a heredoc over several items and a trailing comment do
// what they do in a script, and the run's exit code is that of the last command. A
// leading #! line selects the interpreter, otherwise it is /bin/sh.
//
// With strict the script of a shell begins with `set -e` and stops at the first failure.
// The caller sets it for one run ([Values].Strict). A step file asks for it with an
// environment variable, FAIRLEAD_STRICT set to 1, yes or true ([StrictVariable]), or by
// beginning its command with `set -e`; both are valid for Valohai, a key of our own would
// not be.
//
// # The checksum of an input
//
// The URL of an input may end in #<algorithm>=<hex>, with md5, sha1, sha256 or
// sha512, and several of them joined by &. It is cut off before the URL is used.
// Another fragment stays part of the URL.
//
// # Expressions
//
// stop-condition is checked against the grammar that Valohai's lint accepts (Python's
// comparisons, and/or/not, + - * / //, calls, tuples and sets, at most eight levels). It is
// not evaluated: [Features] names it, as something that an engine may leave out if it
// says so in the run's log, since the step is right without it and only runs longer.
package stepfile
