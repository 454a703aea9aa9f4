package podidentity

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const (
	// signerFile holds the private key of tokens, as PEM.
	signerFile = "pod-identity.pem"
	signerBits = 2048
	pemType    = "PRIVATE KEY" // PKCS #8
)

// SignerFile returns the file of the key in a directory.
func SignerFile(dir string) string { return filepath.Join(dir, signerFile) }

// OpenSigner returns the signer of the key in a directory, and makes directory and key if they are missing, which takes up to a
// second. Processes of one user that name one directory have the same key. It never replaces a file: a daemon may have read it. The
// error names the file and the fix.
func OpenSigner(dir string) (*Signer, error) {
	file := SignerFile(dir)
	private, err := readSigner(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeSigner(dir, os.Link); err == nil {
			private, err = readSigner(file) // another process may have been first
		}
	}
	if err != nil {
		return nil, fmt.Errorf("key of pod tokens %s: %w", file, err)
	}
	return newSigner(private)
}

// readSigner reads and checks a key. The error is fs.ErrNotExist if there is no file.
func readSigner(file string) (*rsa.PrivateKey, error) {
	const fix = "delete it to have a new one made; tokens from before are not valid then"
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	if err != nil {
		return nil, unwritable(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file; " + fix)
	}
	// Windows has no file modes.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("other users can read it: mode %#o instead of 0600; %s", mode, fix)
	}
	text, err := os.ReadFile(file) //nolint:gosec // the user names the directory
	if err != nil {
		return nil, unwritable(err)
	}
	damaged := errors.New("it is damaged; " + fix)
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, damaged
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok || private.N.BitLen() < minRSABits {
		return nil, damaged
	}
	return private, nil
}

// makeSigner writes a new key of mode 0600 atomically. It keeps an existing file, which is no error. link is os.Link.
func makeSigner(dir string, link func(from, to string) error) error {
	private, err := rsa.GenerateKey(rand.Reader, signerBits)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return unwritable(err)
	}
	temp, err := os.CreateTemp(dir, "."+signerFile+"-*") // of mode 0600
	if err != nil {
		return unwritable(err)
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	err = pem.Encode(temp, &pem.Block{Type: pemType, Bytes: der})
	if err == nil {
		err = temp.Sync()
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return unwritable(err)
	}
	file := filepath.Join(dir, signerFile)
	if err = link(temp.Name(), file); err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	// Some file systems have no hard links. Rename replaces the file of another process that comes at the same moment.
	if _, err := os.Lstat(file); err == nil {
		return nil
	}
	if err := os.Rename(temp.Name(), file); err != nil {
		return unwritable(err)
	}
	return nil
}

// unwritable adds the fix to an error of the file system, without its operation and file name.
func unwritable(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	} else if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%w; set identity.state_dir to a directory that the daemon's user alone can read and write", err)
}
