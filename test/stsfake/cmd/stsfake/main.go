// Command stsfake runs the fake STS as a process, for tests that are not Go programs or run in another network namespace.
// It makes one user and the given roles, prints its URL once it listens, and serves until SIGTERM or SIGINT.
//
//	stsfake -listen 127.0.0.1:0 -role arn:aws:iam::123456789012:role/app -profile-file /tmp/credentials
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"mock-ec2-metadata/test/stsfake"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "stsfake:", err)
		}
		os.Exit(1)
	}
}

// run serves until ctx is done and then returns nil.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("stsfake", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:0", "`address` to serve on; port 0 picks a free one")
	user := flags.String("user", "tester", "`name` of the IAM user to make")
	profile := flags.String("profile-file", "", "`path` to write the user's key to, as an AWS credentials file")
	region := flags.String("region", "us-east-1", "region to put in the profile file")
	fake := stsfake.New()
	flags.Func("role", "`ARN` of a role to make; repeatable", func(roleARN string) error {
		if err := stsfake.CheckRoleARN(roleARN); err != nil {
			return err
		}
		fake.AddRole(roleARN)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}

	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	key := fake.AddUser(*user)
	if *profile != "" {
		if err := writeProfile(*profile, key, *region); err != nil {
			return errors.Join(err, ln.Close())
		}
	}
	served := make(chan error, 1)
	go func() { served <- fake.Serve(ln) }()
	if _, err := fmt.Fprintln(stdout, stsfake.URL(ln.Addr())); err != nil {
		return errors.Join(err, fake.Close(), <-served)
	}
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
		return errors.Join(fake.Close(), <-served)
	}
}

// writeProfile replaces path by a credentials file, of mode 0600, with key as the default profile.
func writeProfile(path string, key stsfake.Key, region string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".stsfake-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\nregion = %s\n",
		key.AccessKeyID, key.SecretAccessKey, region)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
