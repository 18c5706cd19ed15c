package version

import "testing"

// ordered has versions of each kind in their order; "=" joins equal ones.
var ordered = []struct {
	name    string
	compare Compare
	list    []string
}{
	{"dpkg", Dpkg, []string{
		"1.0~~", "1.0~~a", "1.0~", "1.0~rc1-1", "1.0", "1.0-0+b1", "1.0-1~bpo12+1", "1.0-1", "1.0-1+deb12u1", "1.0-1+deb12u2", "1.0-1+deb12u10",
		"1.0a", "1.0+dfsg-1", "1.0.1", "1.2", "1.10", "2.36-9+deb12u3", "2.36-9+deb12u4", "1:0.1", "1:0.1-2ubuntu0.22.04.1", "2:0",
	}},
	{"apk", Apk, []string{
		"1.0_alpha", "1.0_alpha1", "1.0_alpha2", "1.0_beta", "1.0_pre1", "1.0_rc1", "1.0_rc1-r1", "1.0_rc2", "1.0", "1.0-r0", "1.0-r1", "1.0-r10", "1.0_git20230717", "1.0_p", "1.0_p1", "1.0_p1-r3",
		"1.0a", "1.0b", "1.0.1", "1.02", "1.1", "1.2.4-r2", "1.2.4_git20230717-r4", "1.2.5-r0", "1.10", "3.1.4-r5", "3.1.4-r6", "10",
	}},
	{"semver", Semver, []string{
		"0.0.0-20190308221718-c2843e01d9a2", "0.0.0-20220906165146-f3363e06e74c", "v0.17.0", "0.23.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0",
		"1.21.0-0", "1.21.0-rc.2", "1.21", "1.21.1", "v1.21.12", "2.0.0+incompatible", "2.0.1+incompatible",
	}},
}

func TestOrder(t *testing.T) {
	t.Parallel()
	for _, tt := range ordered {
		for i, a := range tt.list {
			for j, b := range tt.list {
				want := 0
				if i < j {
					want = -1
				} else if i > j {
					want = 1
				}
				if got, ok := tt.compare(a, b); got != want || !ok {
					t.Errorf("%s: %q and %q: got %d %v, want %d", tt.name, a, b, got, ok, want)
				}
			}
		}
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		compare Compare
		a, b    string
	}{
		{Dpkg, "0:1.0-1", "1.0-1"},
		{Dpkg, "1.00", "1.0"},
		{Dpkg, "1.0-", "1.0-0"},
		{Dpkg, "1.0", "1.0-0"},
		{Apk, "01.0", "1.0"},
		{Apk, "1.0-r01", "1.0-r1"},
		{Semver, "v1.2.3", "1.2.3"},
		{Semver, "1.2.3+a", "1.2.3+b"},
		{Semver, "1.2", "1.2.0"},
	} {
		if got, ok := tt.compare(tt.a, tt.b); got != 0 || !ok {
			t.Errorf("%q and %q: got %d %v, want 0", tt.a, tt.b, got, ok)
		}
	}
}

func TestNoVersion(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		compare Compare
		bad     []string
	}{
		{Dpkg, []string{"", "a:1", ":1", "1:"}},
		{Apk, []string{"", "a", "1.", "1.0_what1", "1.0-r1x", "1.0-1", "1..2"}},
		{Semver, []string{"", "v", "(devel)", "1.2.3.4", "1.x", "1.2.3-", "master"}},
	} {
		for _, bad := range tt.bad {
			if got, ok := tt.compare(bad, "1.0"); ok {
				t.Errorf("%q is a version and %d", bad, got)
			}
			if got, ok := tt.compare("1.0", bad); ok {
				t.Errorf("%q is a version and %d", bad, got)
			}
		}
	}
}

// FuzzOrder holds each order to what an order is: whatever the versions, nothing panics, and turned round it is the other way.
func FuzzOrder(f *testing.F) {
	for _, tt := range ordered {
		for _, v := range tt.list {
			f.Add(v, "1.0-1")
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, tt := range ordered {
			x, ok := tt.compare(a, b)
			y, ok2 := tt.compare(b, a)
			if x != -y || ok != ok2 {
				t.Errorf("%s: %q and %q are %d %v, and %d %v turned round", tt.name, a, b, x, ok, y, ok2)
			}
			if same, ok := tt.compare(a, a); ok && same != 0 {
				t.Errorf("%s: %q isn't equal to itself", tt.name, a)
			}
		}
	})
}
