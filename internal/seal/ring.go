package seal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/skylift/skylift/internal/store"
)

// ring is the record of a Ring: its keys, each encrypted under the root key.
type ring struct {
	RootID  string            // of the root key
	Salt    []byte            // of the passphrase that the root key is made of; none of a key file
	Current string            // the id, in hex, of the key to seal with
	Keys    map[string][]byte // by their ids in hex
}

// ringKey is the key of the one record.
const ringKey = "ring"

var rings = store.NewTable[ring]("seal-ring")

// Tables are all that the package keeps records in.
func Tables() []store.Schema { return []store.Schema{rings} }

// Load returns the ring of the records, which is made now where there is none.
// The error says in a sentence what is wrong with the root key.
func Load(ctx context.Context, db store.DB, root Root) (*Ring, error) {
	kept, made, err := read(ctx, db)
	if err != nil {
		return nil, err
	}
	key, err := root.key(kept, made)
	if err != nil {
		return nil, err
	}
	if !made {
		kept, err = settle(ctx, db, NewKey().wrap(key))
		if err != nil {
			return nil, err
		}
	}
	return kept.open(key)
}

// Rekey encrypts the ring's keys under the root key next instead of root. Whatever
// interrupts it, one of the two opens the ring afterwards.
func Rekey(ctx context.Context, db store.DB, root, next Root) error {
	kept, made, err := read(ctx, db)
	if err != nil {
		return err
	}
	if !made {
		return errors.New("nothing is sealed here yet: start Skylift with the new root key")
	}
	key, err := root.key(kept, true)
	if err != nil {
		return err
	}
	r, err := kept.open(key)
	if err != nil {
		return err
	}
	to, err := next.prepare()
	if err != nil {
		return err
	}
	err = db.Update(ctx, func(tx store.Tx) error {
		now, err := rings.Get(tx, ringKey)
		if err != nil {
			return fmt.Errorf("read the ring: %w", err)
		}
		if now.RootID != kept.RootID {
			return errors.New("another process changes the root key at the same time")
		}
		return rings.Put(tx, ringKey, r.wrap(to))
	})
	if err != nil {
		return fmt.Errorf("write the ring: %w", err)
	}
	return errors.Join(next.commit(), root.leave(next))
}

func read(ctx context.Context, db store.DB) (kept ring, made bool, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		kept, err = rings.Get(tx, ringKey)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return ring{}, false, nil
	}
	if err != nil {
		return ring{}, false, fmt.Errorf("read the ring: %w", err)
	}
	return kept, true, nil
}

// settle writes fresh, unless another process was first, and returns what is kept.
func settle(ctx context.Context, db store.DB, fresh ring) (kept ring, err error) {
	err = db.Update(store.Freeing(ctx), func(tx store.Tx) error {
		if kept, err = rings.Get(tx, ringKey); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		kept = fresh
		return rings.Put(tx, ringKey, fresh)
	})
	if err != nil {
		return ring{}, fmt.Errorf("write the ring: %w", err)
	}
	return kept, nil
}

// rootKey is a root key, with the salt of its passphrase if it is made of one.
type rootKey struct{ key, salt []byte }

// wrap is the ring's record under a root key.
func (r *Ring) wrap(root rootKey) ring {
	kept := ring{RootID: idOf(root.key), Salt: root.salt, Current: hex.EncodeToString([]byte(r.current)), Keys: map[string][]byte{}}
	for id, key := range r.keys {
		name := hex.EncodeToString([]byte(id))
		kept.Keys[name] = sealWith(root.key, random(saltSize), key, wrapContext(name))
	}
	return kept
}

// open is the ring of a record.
func (k ring) open(root rootKey) (*Ring, error) {
	if k.RootID != idOf(root.key) {
		return nil, errOther
	}
	r := &Ring{keys: map[string][]byte{}}
	for name, wrapped := range k.Keys {
		id, err := hex.DecodeString(name)
		if err != nil || len(id) != idSize || len(wrapped) < saltSize {
			return nil, fmt.Errorf("the ring's key %s is damaged", name)
		}
		key, err := openWith(root.key, wrapped[:saltSize], wrapped[saltSize:], wrapContext(name))
		if err != nil || len(key) != keySize {
			return nil, fmt.Errorf("the ring's key %s is damaged", name)
		}
		r.keys[string(id)] = key
		if name == k.Current {
			r.current = string(id)
		}
	}
	if r.current == "" {
		return nil, fmt.Errorf("the ring lacks its key %s", k.Current)
	}
	return r, nil
}

func wrapContext(name string) string { return "ring/" + name }

var errOther = errors.New("the records are sealed under another root key")
