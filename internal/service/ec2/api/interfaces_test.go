package api

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/interfaces"
)

func firstSubnet(t *testing.T, a env) ec2.Subnet {
	t.Helper()
	s, err := a.DefaultSubnets(t.Context())
	if err != nil || len(s) != 3 {
		t.Fatalf("default subnets: %v, %v", s, err)
	}
	return s[0]
}

func TestCreateInterface(t *testing.T) {
	t.Parallel()
	a := account(t)
	s := firstSubnet(t, a)
	i, err := a.CreateInterface(t.Context(), interfaces.Request{SubnetID: s.ID, Owner: "task/1", Description: "for a task", Type: "interface", RequesterManaged: true})
	if err != nil {
		t.Fatal(err)
	}
	group, err := a.DefaultGroup(t.Context(), s.VpcID)
	if err != nil {
		t.Fatal(err)
	}
	if i.Addr.String() != "172.31.0.4" || i.AZ != s.AZ || i.VpcID != s.VpcID || len(i.Groups) != 1 || i.Groups[0] != group {
		t.Errorf("made %+v, want the first free address and the default group", i)
	}
	if len(i.MAC) != 17 || !strings.HasPrefix(i.MAC, "02:") {
		t.Errorf("MAC %s", i.MAC)
	}
	again, err := a.CreateInterface(t.Context(), interfaces.Request{SubnetID: s.ID, Owner: "task/1"})
	if err != nil || again.ID != i.ID || again.Addr != i.Addr {
		t.Errorf("asked again: %+v, %v, want the same", again, err)
	}
	for _, f := range [][2]string{
		{"network-interface-id", i.ID},
		{"private-ip-address", "172.31.0.4"},
		{"addresses.private-ip-address", "172.31.0.*"},
		{"group-id", group},
		{"group-name", "default"},
		{"subnet-id", s.ID},
		{"description", "for a *"},
		{"requester-managed", "true"},
		{"mac-address", i.MAC},
		{"status", "in-use"},
		{"interface-type", "interface"},
		{"availability-zone", s.AZ},
		{"private-dns-name", "ip-172-31-0-4.us-west-2.compute.internal"},
	} {
		out, err := a.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{Filters: filter(f[0], f[1])})
		if err != nil || len(out.NetworkInterfaces) != 1 {
			t.Errorf("%s=%s: %+v, %v", f[0], f[1], out, err)
		}
	}
	_, err = a.CreateInterface(t.Context(), interfaces.Request{SubnetID: "subnet-0", Owner: "task/2"})
	wantCode(t, "no subnet", err, "InvalidSubnetID.NotFound", "subnet-0")
	_, err = a.CreateInterface(t.Context(), interfaces.Request{SubnetID: s.ID, Groups: []string{"sg-0123456789abcdef0"}, Owner: "task/2"})
	wantCode(t, "no group", err, "InvalidGroup.NotFound", "sg-0123456789abcdef0")
	wantCode(t, "groups to be checked", a.CheckGroups(t.Context(), s.VpcID, []string{group, "sg-0123456789abcdef0"}), "InvalidGroup.NotFound", "sg-0123456789abcdef0")
	wantCode(t, "VPC to be checked", a.CheckVPC(t.Context(), "vpc-0"), "InvalidVpcID.NotFound", "vpc-0")
	if _, err := a.CreateInterface(t.Context(), interfaces.Request{SubnetID: s.ID}); err == nil {
		t.Error("made one for nobody")
	}
	if n := len(records(t, a, ec2.Interfaces)); n != 1 {
		t.Errorf("%d interfaces, want 1", n)
	}
}

func TestSetInterfaceGroups(t *testing.T) {
	t.Parallel()
	a := account(t)
	web := createGroup(t, a, "web")
	i, err := a.CreateInterface(t.Context(), interfaces.Request{SubnetID: firstSubnet(t, a).ID, Owner: "lb/1", Type: "load_balancer"})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.SetInterfaceGroups(t.Context(), i.ID, []string{web}); err != nil {
		t.Fatal(err)
	}
	if got := records(t, a, ec2.Interfaces)[0].Groups; len(got) != 1 || got[0] != web {
		t.Errorf("groups %v, want %s", got, web)
	}
	_, err = a.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupId: &web})
	wantCode(t, "a group in use", err, "DependencyViolation", web)
	wantCode(t, "no interface", a.SetInterfaceGroups(t.Context(), "eni-0123456789abcdef0", nil), "InvalidNetworkInterfaceID.NotFound", "eni-0123456789abcdef0")
}

// TestAddresses fills a small subnet: every address once, none that AWS keeps,
// one that was given back only after all others.
func TestAddresses(t *testing.T) {
	t.Parallel()
	a := accountWith(t, netip.MustParsePrefix("10.9.0.0/26"))
	s := firstSubnet(t, a)
	create := func(owner int) (ec2.Interface, error) {
		return a.CreateInterface(t.Context(), interfaces.Request{SubnetID: s.ID, Owner: fmt.Sprint("task/", owner)})
	}
	var made []ec2.Interface
	for n := range 11 {
		i, err := create(n)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, i)
		if want := fmt.Sprint("10.9.0.", n+4); i.Addr.String() != want {
			t.Errorf("address %d is %s, want %s", n, i.Addr, want)
		}
		if n == 2 { // given back early, yet not the next one
			if err := a.DeleteInterface(t.Context(), made[0].ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	i, err := create(100)
	if err != nil || i.Addr != made[0].Addr {
		t.Errorf("after the last: %v, %v, want what was given back", i.Addr, err)
	}
	_, err = create(101)
	wantCode(t, "a full subnet", err, "InsufficientFreeAddressesInSubnet", s.ID)
	out, err := a.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{SubnetIds: []string{s.ID}})
	if err != nil || *out.Subnets[0].AvailableIpAddressCount != 0 {
		t.Errorf("free addresses: %+v, %v", out, err)
	}
	for range 2 { // deleting what is gone is fine
		if err := a.DeleteInterface(t.Context(), made[5].ID); err != nil {
			t.Fatal(err)
		}
	}
	if i, err := create(102); err != nil || i.Addr != made[5].Addr {
		t.Errorf("the only one left: %v, %v, want %v", i.Addr, err, made[5].Addr)
	}
}

func TestAddressesAreUnique(t *testing.T) {
	t.Parallel()
	a := account(t)
	s := firstSubnet(t, a)
	// Another process has its own lock; what keeps them apart is the store.
	b := New(a.db, testNS, Host{})
	var wg sync.WaitGroup
	for n := range 200 {
		wg.Go(func() {
			api := []*API{a.API, b}[n%2]
			if _, err := api.CreateInterface(t.Context(), interfaces.Request{SubnetID: s.ID, Owner: fmt.Sprint("task/", n)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[netip.Addr]string{}
	for _, i := range records(t, a, ec2.Interfaces) {
		if other, ok := seen[i.Addr]; ok || !s.CIDR.Contains(i.Addr) {
			t.Errorf("%s has %s, as %s has", i.ID, i.Addr, other)
		}
		seen[i.Addr] = i.ID
	}
	if len(seen) != 200 {
		t.Errorf("%d addresses, want 200", len(seen))
	}
}
