package daemon

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/skylift/skylift/internal/instance"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store/etcdstore"
)

// RekeyConfig names the present root key and the next one. A key with neither a
// file nor a passphrase is the data directory's.
type RekeyConfig struct {
	Config
	NewRootKeyFile, NewRootPassphrase string
}

// Rekey seals the keys of an instance under another root key. The instance must
// not run.
func Rekey(ctx context.Context, c RekeyConfig) (err error) {
	if c.RootKeyFile != "" && c.RootPassphrase != "" || c.NewRootKeyFile != "" && c.NewRootPassphrase != "" {
		return errors.New("a root key is in a file, or made of a passphrase: name one of them")
	}
	if _, err := instance.Load(c.DataDir); err != nil {
		return err
	}
	lock, err := instance.Acquire(c.DataDir)
	if err != nil {
		return err
	}
	defer lock.Release()
	db, err := etcdstore.Open(ctx, etcdstore.Config{Dir: filepath.Join(c.DataDir, storeDir), Endpoints: c.EtcdEndpoints, Logger: c.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return seal.Rekey(ctx, db, c.root(), rootOf(c.DataDir, c.NewRootKeyFile, c.NewRootPassphrase))
}

// rootOf is the root key in the file, or made of the passphrase, or else the data
// directory's.
func rootOf(dataDir, file, passphrase string) seal.Root {
	if file == "" && passphrase == "" {
		return seal.Root{DataDir: dataDir}
	}
	return seal.Root{KeyFile: file, Passphrase: passphrase}
}
