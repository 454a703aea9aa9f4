package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/podrole"
)

// mostManifest bounds the manifest that is read, in bytes.
const mostManifest = 16 << 20

// checkPod prints which role each pod of a manifest would get.
func checkPod(cmd *cobra.Command, f *flags, file string) error {
	src := f.sources()
	src.Set = append([]string{"kubernetes.enabled=true"}, src.Set...) // as in the cluster, whatever the file says
	loaded, err := config.Load(src)
	if err != nil {
		return err
	}
	in := cmd.InOrStdin()
	if file != "-" {
		opened, err := os.Open(file) //nolint:gosec // the user names it
		if err != nil {
			return err
		}
		defer func() { _ = opened.Close() }()
		in = opened
	}
	manifest, err := io.ReadAll(io.LimitReader(in, mostManifest))
	if err != nil {
		return err
	}
	lines, err := podrole.DescribePods(loaded, manifest)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, w := range loaded.Warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
	for _, line := range lines {
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
	return nil
}
