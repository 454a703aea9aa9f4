package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// installBlock is how a unit is installed by hand, and packagedBlock how it is enabled when a package has installed it.
const (
	installBlock  = "# Install, as root:\n"
	checkLine     = "# Check:"
	packagedBlock = "# Nothing is enabled by the installation. Enable, as root:\n#\n" +
		"#   systemctl enable --now mock-ec2-metadata.socket mock-ec2-metadata.service        # the socket alone: start at the first request\n#\n"
)

// writeUnits writes the units of deploy/systemd as a package installs them.
func writeUnits(dir string) error {
	units, err := filepath.Glob("deploy/systemd/mock-ec2-metadata*")
	if err != nil {
		return err
	}
	if len(units) == 0 {
		return fmt.Errorf("deploy/systemd: no units; run docgen at the top of the repository")
	}
	for _, path := range units {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), []byte(packagedUnit(string(text))), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// packagedUnit runs the program where packages have it, and drops how to install it by hand.
func packagedUnit(text string) string {
	if before, rest, found := strings.Cut(text, installBlock); found {
		if _, after, found := strings.Cut(rest, checkLine); found {
			text = before + packagedBlock + checkLine + after
		}
	}
	return strings.ReplaceAll(text, "/usr/local/bin/", "/usr/bin/")
}
