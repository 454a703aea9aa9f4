package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes of exec beside the command's own, as of env(1) and timeout(1).
const (
	exitExecFailed   = 125
	exitCannotRun    = 126
	exitNoCommand    = 127
	exitSignalOffset = 128
)

func newExec(f *flags) *cobra.Command {
	var way execWay
	cmd := &cobra.Command{
		Use:   "exec [--] COMMAND [ARGUMENT]...",
		Short: "Run a command with credentials from the daemon; starts one if none runs",
		Long: `exec runs a command with the environment that env prints, so that its AWS SDK takes its credentials from one daemon only,
whatever the shell and ~/.aws contain. It uses the daemon that the same configuration and flags would start, if that runs with the
same instance and role. Otherwise it starts one on a free loopback port for as long as the command runs, and waits up to five
seconds for its credentials. That daemon logs warnings and errors to stderr, unless --log-level says otherwise.

  mock-ec2-metadata exec -- aws sts get-caller-identity
  mock-ec2-metadata exec -- sh -c 'aws s3 ls | head'
  mock-ec2-metadata exec --role web -- aws sts get-caller-identity
  mock-ec2-metadata exec --proxy -- curl http://169.254.169.254/latest/meta-data/

--role NAME gives the command the credentials of that entry of roles, in the way that containers of ECS get theirs, and no access to
the metadata service. exec waits up to five seconds for them, and says why there are none.

--ecs runs the command as in a container of ECS, with all variables that its agent sets: for credentials, those of the instance or with
--role those of a role, and for task metadata (docs/containers.md).

--pod-identity runs the command as in a pod of EKS with Pod Identity, by a daemon of its own that needs no cluster: it signs the token
of the service account that --namespace and --service-account name, and gives what pod_identity.associations says.

  mock-ec2-metadata exec --ecs -- sh -c 'curl -s "$ECS_CONTAINER_METADATA_URI_V4/task"'
  mock-ec2-metadata exec --pod-identity --namespace shop --service-account web -- node app.js

AWS SDKs and the AWS CLI follow AWS_EC2_METADATA_SERVICE_ENDPOINT. These do not, and need --proxy or 169.254.169.254 itself (serve
--link-local): restic, minio-go, mongo-driver for Go, s3fs, Facter, Ohai, Tailscale, step-ca, Ignition, the Datadog and New Relic
agents. --proxy sets http_proxy: the command's plain http to other hosts is refused then; https is not affected.

MOCK_EC2_METADATA_CONTROL is set for the command, so that the commands event, fault, requests, status, reload, mfa and console in it
are for its daemon:

  mock-ec2-metadata exec -- sh -c 'my-agent & mock-ec2-metadata event spot terminate --notice 5s && wait'

Signals reach the command. The exit status is the command's own, 128 plus the signal that ended it, 127 if there is no such
command, 126 if it cannot be run, or 125 if there is no daemon for it.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "" {
				return &usageError{errors.New("exec needs a command, for example: mock-ec2-metadata exec -- aws sts get-caller-identity")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkRoleFlag(cmd, way.role); err != nil {
				return err
			}
			if err := way.check(); err != nil {
				return err
			}
			f.staysRoot = true
			return runExec(cmd, f, &way, args)
		},
	}
	cmd.Flags().StringVar(&way.role, "role", "", "`NAME` of an entry of roles whose credentials the command is to get")
	cmd.Flags().BoolVar(&way.proxy, "proxy", false, "also make the daemon the command's proxy for http, for clients with a built-in 169.254.169.254")
	cmd.Flags().BoolVar(&way.task, "ecs", false, "run the command as in a container of ECS")
	cmd.Flags().BoolVar(&way.pod, "pod-identity", false, "run the command as in a pod of EKS with Pod Identity")
	cmd.Flags().StringVar(&way.namespace, "namespace", "", "with --pod-identity: the pod's `NAMESPACE`; default: that of the only association")
	cmd.Flags().StringVar(&way.account, "service-account", "", "with --pod-identity: the pod's service `ACCOUNT`; default: that of the only association")
	cmd.Flags().SetInterspersed(false) // the command's flags are its own
	cmd.DisableFlagsInUseLine = true
	return cmd
}

func runExec(cmd *cobra.Command, f *flags, way *execWay, args []string) error {
	path, err := findCommand(args[0])
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, forwarded()...) // before there is a daemon that a signal could leave running
	defer signal.Stop(signals)

	d, err := daemonFor(cmd, f, way)
	if err != nil {
		return &exitError{exitExecFailed, err}
	}
	defer func() { d.stop() }() // changes may add to it
	set, err := d.changes(cmd.Context(), f, way, cmd.ErrOrStderr())
	if err == nil && cmd.Context().Err() != nil {
		err = errors.New("interrupted")
	}
	if err != nil {
		return &exitError{exitExecFailed, err}
	}
	child := exec.Command(path, args[1:]...) //nolint:gosec,noctx // the user's command; signals end it
	child.Args[0] = args[0]
	child.Env = d.withControl(set).Apply(f.environ)
	child.Stdin, child.Stdout, child.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	if err := child.Start(); err != nil {
		return cannotRun(path, err)
	}
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if !sentToAll(s) {
					_ = child.Process.Signal(s)
				}
			case <-ended:
				return
			}
		}
	}()
	err = child.Wait()
	close(ended)
	return statusOf(child.ProcessState, err)
}

// findCommand returns the path of the program that a shell would run.
func findCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, exec.ErrDot):
		return "", &exitError{exitNoCommand, fmt.Errorf("%s is in this directory, but not on the PATH; write ./%s", name, name)}
	case errors.Is(err, exec.ErrNotFound):
		return "", &exitError{exitNoCommand, fmt.Errorf("there is no command %s on the PATH; check its spelling, or give its path", name)}
	case errors.Is(err, fs.ErrNotExist):
		return "", &exitError{exitNoCommand, fmt.Errorf("there is no %s", name)}
	default:
		return "", cannotRun(name, err)
	}
}

// cannotRun says why the system does not run a file, and what to check.
func cannotRun(path string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, fs.ErrPermission):
		hint = fmt.Sprintf("; make it executable (chmod +x %s)", path)
	case errors.Is(err, syscall.ENOEXEC):
		hint = "; it is not a program for this machine, and not a script that starts with #!"
	case errors.Is(err, fs.ErrNotExist):
		hint = "; it exists, so the interpreter in its first line, or its loader, is missing"
	}
	// These errors repeat the path.
	if e, ok := errors.AsType[*exec.Error](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return &exitError{exitCannotRun, fmt.Errorf("%s cannot be run: %w%s", path, err, hint)}
}

// statusOf turns the end of the command into the end of this process.
func statusOf(p *os.ProcessState, err error) error {
	if p == nil {
		return &exitError{exitExecFailed, err}
	}
	if s, ok := p.Sys().(syscall.WaitStatus); ok && s.Signaled() {
		return &exitError{code: exitSignalOffset + int(s.Signal())}
	}
	if p.ExitCode() != 0 {
		return &exitError{code: p.ExitCode()}
	}
	if err != nil { // copying its output, which is not a file
		return &exitError{exitExecFailed, err}
	}
	return nil
}
