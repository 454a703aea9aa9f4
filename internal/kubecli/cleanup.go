package kubecli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/cli"
	"mock-ec2-metadata/internal/kube"
	"mock-ec2-metadata/internal/route"
)

const (
	// lockWait is how long the clean-up waits for a daemon of the node to end.
	lockWait = 20 * time.Second
	// awaitLimit bounds the wait for a DaemonSet of clean-ups, awaitPeriod is how often it is read.
	awaitLimit  = 2 * time.Minute
	awaitPeriod = time.Second
)

func (p *Program) newCleanup() *cobra.Command {
	var files, directory, await string
	var address, stay bool
	cmd := &cobra.Command{
		Use:    "cleanup",
		Short:  "Take away what a daemon has left on this node; down and the Helm chart run it in a pod",
		Args:   noArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().NFlag() == 0 {
				return cli.UsageError(errors.New("cleanup: name what to take away; see its help"))
			}
			if err := cleanUp(cmd, files, directory, address); err != nil {
				return err
			}
			if await != "" {
				return awaitDaemonSet(cmd.Context(), p.lookup("POD_NAMESPACE"), await)
			}
			if stay {
				<-cmd.Context().Done()
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&files, "files", "", "empty this `DIRECTORY`")
	cmd.Flags().StringVar(&directory, "directory", "", "remove this `DIRECTORY`")
	cmd.Flags().BoolVar(&address, "interface", false, "remove the interface with the addresses of the metadata service")
	cmd.Flags().BoolVar(&stay, "stay", false, "stay until the process is told to end")
	cmd.Flags().StringVar(&await, "await", "", "wait until all pods of this `DAEMONSET` of the pod's namespace are ready")
	return cmd
}

// cleanUp takes away what the flags name. The interface comes first: with its lock no daemon runs any more.
func cleanUp(cmd *cobra.Command, files, directory string, address bool) error {
	if address {
		ctx, cancel := context.WithTimeout(cmd.Context(), lockWait)
		defer cancel()
		lock, err := route.Lock(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = lock.Close() }()
		removed, err := route.Remove(ctx)
		if err != nil {
			return err
		}
		if removed {
			fmt.Fprintln(cmd.OutOrStdout(), "removed the addresses of the metadata service from this node")
		}
	}
	if files != "" {
		if err := empty(files); err != nil {
			return err
		}
	}
	if directory != "" {
		return os.RemoveAll(directory)
	}
	return nil
}

// empty removes all that is in a directory. One that does not exist is empty.
func empty(directory string) error {
	entries, err := os.ReadDir(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(directory, e.Name())))
	}
	return err
}

// awaitDaemonSet waits until all pods of a DaemonSet are ready.
func awaitDaemonSet(ctx context.Context, namespace, name string) error {
	api, err := kube.InCluster()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, awaitLimit)
	defer cancel()
	for {
		said := ""
		if s, err := kube.ReadDaemonSet(ctx, api, namespace, name); err != nil {
			said = err.Error()
		} else if s.Complete() {
			return nil
		} else {
			said = fmt.Sprintf("%d of %d pods are ready", s.Ready, s.Desired)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the DaemonSet %s/%s: %s after %v; kubectl describe says why", namespace, name, said, awaitLimit)
		case <-time.After(awaitPeriod):
		}
	}
}
