package imagefile

import (
	"debug/elf"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// bundles are where distributions have their trusted certificates in one file.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Arch, Gentoo
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
	"/etc/pki/tls/certs/ca-bundle.crt",                  // older ones of these
	"/etc/ssl/ca-bundle.pem",                            // SUSE
	"/etc/ssl/cert.pem",                                 // Alpine
}

// findBundle returns the file of trusted certificates: the given one, or the first that this machine has.
func findBundle(file string) (string, error) { return findBundleAmong(file, bundles) }

func findBundleAmong(file string, places []string) (string, error) {
	if file != "" {
		return file, checkBundle(file)
	}
	for _, place := range places {
		err := checkBundle(place)
		if !errors.Is(err, fs.ErrNotExist) {
			return place, err
		}
	}
	return "", fmt.Errorf("CA bundle: none of %s is here; install ca-certificates", strings.Join(places, ", "))
}

func checkBundle(file string) error {
	text, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return fmt.Errorf("CA bundle: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return nil
		}
	}
	return fmt.Errorf("CA bundle: %s holds no certificate in PEM", file)
}

// architectureOf returns the architecture of an executable, in Go's words. It must run in an image that holds nothing else.
func architectureOf(executable string) (string, error) {
	file, err := os.Open(filepath.Clean(executable))
	if err != nil {
		return "", fmt.Errorf("image's executable: %w", err)
	}
	defer func() { _ = file.Close() }()
	program, err := elf.NewFile(file)
	if err != nil {
		return "", fmt.Errorf("image's executable: %s is not for Linux; build the image from the repository: ./build-docker.sh", executable)
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP {
			return "", fmt.Errorf("image's executable: %s is linked dynamically; build it by make kube, or with CGO_ENABLED=0", executable)
		}
	}
	switch program.Machine {
	case elf.EM_X86_64:
		return "amd64", nil
	case elf.EM_AARCH64:
		return "arm64", nil
	default:
		return "", fmt.Errorf("image's executable: %s is for %v; images are for amd64 and arm64", executable, program.Machine)
	}
}
