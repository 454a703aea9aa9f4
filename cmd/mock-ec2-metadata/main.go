// Command mock-ec2-metadata answers like the EC2 Instance Metadata Service and hands out real temporary credentials of
// an IAM role, so that software written for EC2 runs unchanged elsewhere.
package main

import (
	"os"

	"mock-ec2-metadata/internal/cli"
)

// version is set by the linker; see the Makefile.
var version = ""

func main() { os.Exit(cli.Main("mock-ec2-metadata", version, nil)) }
