// Command mock-ec2-metadata-kube is mock-ec2-metadata for Kubernetes: the daemon that knows the pods of its node, and the commands that
// put it into a cluster.
package main

import (
	"os"

	"mock-ec2-metadata/internal/cli"
	"mock-ec2-metadata/internal/kubecli"
)

// version is set by the linker; see the Makefile.
var version = ""

func main() { os.Exit(cli.Main("mock-ec2-metadata-kube", version, kubecli.New(version))) }
