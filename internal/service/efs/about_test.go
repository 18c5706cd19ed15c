package efs_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// TestRequestsSayWhatTheyAreOn asks for the file systems of requests that name what they hold.
func TestRequestsSayWhatTheyAreOn(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	t.Cleanup(func() { db.Close() })
	err := db.Update(t.Context(), func(tx store.Tx) error {
		if err := efs.MountTargets.Put(tx, "fsmt-12345671", efs.MountTarget{ID: "fsmt-12345671", FileSystem: "fs-12345671"}); err != nil {
			return err
		}
		return efs.AccessPoints.Put(tx, "fsap-12345671", efs.AccessPoint{ID: "fsap-12345671", FileSystem: "fs-12345672"})
	})
	if err != nil {
		t.Fatal(err)
	}
	ns := arn.Namespace{Region: region, Account: account}
	s, err := wire.NewService("elasticfilesystem", efs.New(db, ns, nil, nil, false).Operations()...)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ method, target, want string }{
		{"DELETE", "/2015-02-01/mount-targets/fsmt-12345671", "file-system/fs-12345671"},
		{"DELETE", "/2015-02-01/mount-targets/fsmt-12345672", "file-system/*"},
		{"GET", "/2015-02-01/mount-targets?AccessPointId=fsap-12345671", "access-point/fsap-12345671 file-system/fs-12345672"},
		{"GET", "/2015-02-01/mount-targets?FileSystemId=fs-12345673", "file-system/fs-12345673"},
		{"GET", "/2015-02-01/file-systems", "file-system/*"},
		{"GET", "/2015-02-01/resource-tags/fsap-12345671", "access-point/fsap-12345671"},
		{"GET", "/2015-02-01/resource-tags/fs-12345671", "file-system/fs-12345671"},
	} {
		c, err := s.Decode(httptest.NewRequest(tc.method, tc.target, nil), nil)
		if err != nil {
			t.Errorf("%s: %v", tc.target, err)
			continue
		}
		got := strings.ReplaceAll(strings.Join(wiretest.On(t, c, ns), " "), ns.ARN("elasticfilesystem", ""), "")
		if got != tc.want {
			t.Errorf("%s %s: got %q, want %q", c.Operation, tc.target, got, tc.want)
		}
	}
}
