package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/argon2"

	"github.com/skylift/skylift/internal/atomicfile"
)

// File is the name of the key file in a data directory, and NextFile of that which
// a Rekey is about to put in its place.
const (
	File     = "root.key"
	NextFile = File + ".next"
)

// Root says where the root key comes from. Exactly one of its fields is set.
type Root struct {
	// DataDir has the key in its File, which is made where nothing was sealed yet.
	DataDir string
	// KeyFile has the key, 32 bytes in base64, and is only read.
	KeyFile string
	// Passphrase is what the key is made of.
	Passphrase string
}

// minPassphrase is how long, in bytes, a passphrase is at least.
const minPassphrase = 12

// key returns the root key of kept; made is false when nothing was sealed yet.
func (r Root) key(kept ring, made bool) (rootKey, error) {
	switch {
	case made && r.Passphrase == "" && kept.Salt != nil:
		return rootKey{}, fmt.Errorf("%w: it is made of a passphrase; start with --root-passphrase", errOther)
	case made && r.Passphrase != "" && kept.Salt == nil:
		return rootKey{}, fmt.Errorf("%w: it is in a file; start without --root-passphrase", errOther)
	case r.Passphrase != "" && !made:
		return r.prepare()
	case r.Passphrase != "":
		k := stretched(r.Passphrase, kept.Salt)
		if idOf(k.key) != kept.RootID {
			return k, errors.New("the passphrase is not that which the records are sealed with")
		}
		return k, nil
	case r.KeyFile != "":
		k, err := readKey(r.KeyFile)
		if err == nil && made && idOf(k.key) != kept.RootID {
			err = fmt.Errorf("%w than that in %s: name its file with --root-key-file", errOther, r.KeyFile)
		}
		return k, err
	}
	return r.inDataDir(kept, made)
}

// inDataDir returns the key of the data directory. It ends a Rekey that was
// interrupted.
func (r Root) inDataDir(kept ring, made bool) (rootKey, error) {
	path := filepath.Join(r.DataDir, File)
	k, err := readKey(path)
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case missing && !made:
		k = rootKey{key: random(keySize)}
		return k, writeKey(path, k)
	case err != nil && !missing:
		return k, err
	case !made || !missing && idOf(k.key) == kept.RootID:
		return k, nil
	}
	next, err := readKey(filepath.Join(r.DataDir, NextFile))
	switch {
	case err == nil && idOf(next.key) == kept.RootID:
		return next, r.commit()
	case missing:
		return k, fmt.Errorf("the root key %s is missing: put it back, or name its file with --root-key-file; without it nothing that is sealed can be read", path)
	}
	return k, fmt.Errorf("%w than that in %s: put the right one back, or name its file with --root-key-file", errOther, path)
}

// prepare returns a root key that is to take the place of another one. Of a data
// directory it is a new one, on disk beside the one that holds.
func (r Root) prepare() (rootKey, error) {
	switch {
	case r.Passphrase != "" && len(r.Passphrase) < minPassphrase:
		return rootKey{}, fmt.Errorf("the passphrase must have at least %d characters", minPassphrase)
	case r.Passphrase != "":
		return stretched(r.Passphrase, random(saltSize)), nil
	case r.KeyFile != "":
		return readKey(r.KeyFile)
	}
	k := rootKey{key: random(keySize)}
	return k, writeKey(filepath.Join(r.DataDir, NextFile), k)
}

// commit puts the key of prepare in place.
func (r Root) commit() error {
	if r.DataDir == "" {
		return nil
	}
	if err := os.Rename(filepath.Join(r.DataDir, NextFile), filepath.Join(r.DataDir, File)); err != nil {
		return fmt.Errorf("put the root key in place: %w", err)
	}
	if err := atomicfile.Sync(r.DataDir); err != nil {
		return fmt.Errorf("write the root key: %w", err)
	}
	return nil
}

// leave removes the key file of the data directory when next is elsewhere.
func (r Root) leave(next Root) error {
	if r.DataDir == "" || next.DataDir != "" {
		return nil
	}
	if err := os.Remove(filepath.Join(r.DataDir, File)); err != nil {
		return fmt.Errorf("remove the old root key: %w", err)
	}
	if err := atomicfile.Sync(r.DataDir); err != nil {
		return fmt.Errorf("write the root key: %w", err)
	}
	return nil
}

// stretched makes a key of a passphrase, with the second of the parameters that
// RFC 9106, 4 recommends.
func stretched(passphrase string, salt []byte) rootKey {
	const passes, memory, lanes = 3, 64 << 10, 4
	return rootKey{argon2.IDKey([]byte(passphrase), salt, passes, memory, lanes, keySize), salt}
}

// readKey reads a key file; the error is fs.ErrNotExist when there is none.
func readKey(path string) (rootKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return rootKey{}, fmt.Errorf("read the root key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return rootKey{}, fmt.Errorf("read the root key: %s can be read by others (mode %04o): run chmod 600 on it", path, info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return rootKey{}, fmt.Errorf("read the root key: %w", err)
	}
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != keySize {
		return rootKey{}, fmt.Errorf("read the root key: %s must hold %d bytes in base64, as openssl rand -base64 %d makes them", path, keySize, keySize)
	}
	return rootKey{key: key}, nil
}

// writeKey writes k whole or not at all, and returns once it is on disk.
func writeKey(path string, k rootKey) error {
	text := base64.StdEncoding.EncodeToString(k.key) + "\n"
	if err := atomicfile.Write(path, []byte(text)); err != nil {
		return fmt.Errorf("write the root key: %w", err)
	}
	return nil
}
