package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// makePair is the command that the errors recommend to make a key pair.
const makePair = "openssl req -x509 -newkey rsa:2048 -nodes -days 10950 -subj /CN=mock-ec2-metadata -keyout key.pem -out cert.pem"

// loadFiles reads the user's key pair. Its errors name the configuration key, the file and the fix.
func loadFiles(keyFile, certFile string) (*pair, error) {
	switch {
	case certFile == "":
		return nil, errors.New("identity.key_file is set and identity.cert_file is not; set both, or neither to have a key pair made")
	case keyFile == "":
		return nil, errors.New("identity.cert_file is set and identity.key_file is not; set both, or neither to have a key pair made")
	}
	text, err := readFile("identity.key_file", keyFile)
	if err != nil {
		return nil, err
	}
	key, f := parseKey(text)
	switch f {
	case noFlaw:
	case notPEM:
		return nil, fmt.Errorf("identity.key_file %s %s; convert it: openssl pkey -in %[1]s -out key.pem", keyFile, f)
	case encrypted:
		return nil, fmt.Errorf("identity.key_file %s %s; decrypt it: openssl pkey -in %[1]s -out key.pem", keyFile, f)
	case noKey:
		return nil, fmt.Errorf("identity.key_file %s %s; name the file that does", keyFile, f)
	default:
		return nil, fmt.Errorf("identity.key_file %s %s; make a new pair: %s", keyFile, f, makePair)
	}

	if text, err = readFile("identity.cert_file", certFile); err != nil {
		return nil, err
	}
	cert, f := parseCert(text)
	switch f {
	case noFlaw:
	case notPEM:
		return nil, fmt.Errorf("identity.cert_file %s %s; convert it: openssl x509 -in %[1]s -out cert.pem", certFile, f)
	case noCert:
		return nil, fmt.Errorf("identity.cert_file %s %s; name the file that does", certFile, f)
	default:
		return nil, fmt.Errorf("identity.cert_file %s %s; make a new pair: %s", certFile, f, makePair)
	}

	p := &pair{key: key, cert: cert}
	if !p.matches() {
		return nil, fmt.Errorf("identity.cert_file %s %s than the one in identity.key_file %s; name two that belong together, or make a new pair: %s",
			certFile, noMatch, keyFile, makePair)
	}
	return p, nil
}

func readFile(setting, file string) ([]byte, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the user names the file
	switch {
	case err == nil:
		return text, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s %s does not exist; make the pair (%s), or leave out identity.key_file and identity.cert_file to have one made",
			setting, file, makePair)
	default:
		return nil, fmt.Errorf("%s %s cannot be read: %w; it must be a file that the daemon's user can read", setting, file, reason(err))
	}
}

// reason returns the cause of a file error, without the system call and the file name.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	return err
}
