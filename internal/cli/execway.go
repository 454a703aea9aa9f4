package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"mock-ec2-metadata/internal/sdkenv"
)

// execWay is how a command of exec gets its credentials.
type execWay struct {
	role  string // of roles; "" for the file's own
	proxy bool
	task  bool // as a container of ECS
	pod   bool // as a pod of EKS

	namespace, account string // of the pod
}

// check refuses flags that exclude each other.
func (w *execWay) check() error {
	for _, both := range []struct {
		given bool
		text  string
	}{
		{w.role != "" && w.proxy, "--role and --proxy exclude each other: clients of a role do not ask 169.254.169.254; leave one out"},
		{w.task && w.proxy, "--ecs and --proxy exclude each other: containers of ECS do not ask 169.254.169.254; leave one out"},
		{w.pod && (w.proxy || w.task), "--pod-identity goes with neither --proxy nor --ecs; leave one out"},
		{w.pod && w.role != "", "--pod-identity and --role exclude each other: the role of a pod is in pod_identity.associations; leave one out"},
		{!w.pod && (w.namespace != "" || w.account != ""), "--namespace and --service-account go with --pod-identity only"},
	} {
		if both.given {
			return &usageError{errors.New(both.text)}
		}
	}
	return nil
}

// changes are those to the environment of the command. It waits for the credentials that it has not waited for before, and says why
// there are none.
func (d *execDaemon) changes(ctx context.Context, f *flags, way *execWay, stderr io.Writer) (sdkenv.Changes, error) {
	switch {
	case way.pod:
		return d.podChanges(ctx, f, way, stderr)
	case way.proxy:
		return sdkenv.NewProxy(d.url, f.environ), nil
	}
	if way.role != "" {
		d.settleRole(ctx, way.role, stderr)
	}
	switch {
	case way.task:
		return d.taskChanges(ctx, f, way.role)
	case way.role != "":
		return d.role.changes(f.environ), nil
	default:
		return sdkenv.New(d.url, f.environ), nil
	}
}

// withControl has the commands of this program within the command use this daemon, and none that the environment names.
func (d *execDaemon) withControl(c sdkenv.Changes) sdkenv.Changes {
	if d.control == nil || d.control.Socket == "" {
		c.Unset = append(slices.Clone(c.Unset), controlVariable)
		return c
	}
	c.Set = append(slices.Clone(c.Set), sdkenv.Variable{Name: controlVariable, Value: d.control.Socket})
	return c
}

// taskChanges are those for a container of ECS.
func (d *execDaemon) taskChanges(ctx context.Context, f *flags, role string) (sdkenv.Changes, error) {
	s, err := d.status(ctx)
	if err != nil {
		return sdkenv.Changes{}, fmt.Errorf("the daemon does not tell its status: %w", err)
	}
	t, err := taskOf(ctx, s, role, hostPort(d.url), nil)
	if err != nil {
		return sdkenv.Changes{}, err
	}
	t.Authorization = d.authorization
	return sdkenv.NewTask(t, f.environ), nil
}
