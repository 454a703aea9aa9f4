// Command pack writes what the tools of "make dist" cannot write in the same bytes each time, or not small enough.
//
//	go run ./packaging/pack zip -epoch SECONDS -out FILE.zip DIR   a zip archive of DIR, with DIR's name in front
//	go run ./packaging/pack deb FILE.deb                           compress data.tar of a deb by xz -9, in place
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

var errUsage = errors.New("usage: pack zip -epoch SECONDS -out FILE DIR, or pack deb FILE")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch flags := flag.NewFlagSet(args[0], flag.ContinueOnError); args[0] {
	case "zip":
		epoch, out := flags.Int64("epoch", 0, "time of all files, in `SECONDS` since 1970"), flags.String("out", "", "`FILE` to write")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		if *epoch == 0 || *out == "" || flags.NArg() != 1 {
			return errUsage
		}
		return writeZip(*out, flags.Arg(0), time.Unix(*epoch, 0).UTC())
	case "deb":
		if len(args) != 2 {
			return errUsage
		}
		return compressDeb(args[1])
	default:
		return errUsage
	}
}
