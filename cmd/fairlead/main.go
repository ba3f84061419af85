// Command fairlead is the whole of Fairlead in one binary: the server, the worker, and
// the command line. Called by another name (argv[0]) it is one of its helpers, before
// anything heavy begins.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"fairlead.dev/fairlead/internal/engine/runc"
	"fairlead.dev/fairlead/internal/leash"
)

func main() {
	switch filepath.Base(os.Args[0]) {
	case leash.Name:
		os.Exit(leash.Main(os.Args[1:], os.Stderr))
	case runc.HelperName:
		os.Exit(runc.HelperMain(os.Args[1:], os.Stderr))
	}
	hideMemory()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, systemApp(), os.Args[1:])
	stop()
	os.Exit(code)
}
