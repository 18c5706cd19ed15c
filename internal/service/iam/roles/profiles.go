package roles

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

func (a *Roles) profileOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("AddRoleToInstanceProfile", a.AddRoleToInstanceProfile).PassesFound("ec2.amazonaws.com", a.added).OnFound("instance-profile: InstanceProfileName", a.profilesFound).Takes("InstanceProfileName RoleName"),
		wire.Op("CreateInstanceProfile", a.CreateInstanceProfile).Makes("instance-profile: Path/InstanceProfileName").Takes("InstanceProfileName Path Tags{*}"),
		wire.Op("DeleteInstanceProfile", a.DeleteInstanceProfile).OnFound("instance-profile: InstanceProfileName", a.profilesFound).Takes("InstanceProfileName"),
		wire.Op("GetInstanceProfile", a.GetInstanceProfile).OnFound("instance-profile: InstanceProfileName", a.profilesFound).Takes("InstanceProfileName"),
		wire.Op("ListInstanceProfileTags", a.ListInstanceProfileTags).OnFound("instance-profile: InstanceProfileName", a.profilesFound).Takes("InstanceProfileName Marker MaxItems"),
		wire.Op("ListInstanceProfiles", a.ListInstanceProfiles).Takes("Marker MaxItems PathPrefix"),
		wire.Op("ListInstanceProfilesForRole", a.ListInstanceProfilesForRole).OnFound("role: RoleName", a.found).Takes("Marker MaxItems RoleName"),
		wire.Op("RemoveRoleFromInstanceProfile", a.RemoveRoleFromInstanceProfile).OnFound("instance-profile: InstanceProfileName", a.profilesFound).Takes("InstanceProfileName RoleName"),
		wire.Op("TagInstanceProfile", a.TagInstanceProfile).OnFound("instance-profile: InstanceProfileName", a.profilesFound).Takes("InstanceProfileName Tags{*}"),
		wire.Op("UntagInstanceProfile", a.UntagInstanceProfile).OnFound("instance-profile: InstanceProfileName", a.profilesFound).Takes("InstanceProfileName TagKeys"),
	}
}

// added finds the ARN of the role that is put into a profile.
func (a *Roles) added(ctx context.Context, in *iam.AddRoleToInstanceProfileInput) []string {
	return a.found(ctx, []string{*in.RoleName})
}

// maxProfiles is a quota (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
const maxProfiles = 1000

func noProfile(name string) error {
	return record.NoSuch("Instance Profile %s cannot be found.", name)
}

func (a *Roles) profileARN(p record.Profile) string {
	return a.ARN("instance-profile" + p.Path + p.Name)
}

// profilesFound finds the ARNs of instance profiles that a request names.
func (a *Roles) profilesFound(ctx context.Context, names []string) (arns []string) {
	_ = a.DB.View(ctx, func(tx store.Tx) error { // what can't be read is named without its path
		for _, name := range names {
			p, there, err := handler.Find(tx, record.Profiles, record.ID(name))
			if err != nil || !there {
				p = record.Profile{Name: name, Path: "/"}
			}
			arns = append(arns, a.profileARN(p))
		}
		return nil
	})
	return arns
}

func (a *Roles) changeProfile(ctx context.Context, name string, change func(tx store.Tx, p *record.Profile) error) error {
	return a.DB.Update(ctx, func(tx store.Tx) error {
		_, err := handler.Change(tx, record.Profiles, record.ID(name), func(string) error { return noProfile(name) }, func(p *record.Profile) error { return change(tx, p) })
		return err
	})
}

func getProfile(tx store.Tx, name string) (record.Profile, error) {
	return handler.Get(tx, record.Profiles, record.ID(name), func(string) error { return noProfile(name) })
}

// Profile makes what answers say of an instance profile.
func (a *Roles) Profile(tx store.Tx, p record.Profile) (types.InstanceProfile, error) {
	out := types.InstanceProfile{
		Arn: new(a.profileARN(p)), InstanceProfileName: &p.Name, InstanceProfileId: &p.ID, Path: &p.Path, CreateDate: &p.Created, Roles: []types.Role{},
	}
	if len(p.Tags) > 0 {
		out.Tags = record.TagType.To(p.Tags)
	}
	if p.Role == "" {
		return out, nil
	}
	r, err := record.Roles.Get(tx, p.Role)
	if err != nil {
		return out, err
	}
	one, err := a.Listed(tx, r)
	one.MaxSessionDuration, one.Description = nil, nil // AWS answers without
	out.Roles = append(out.Roles, one)
	return out, err
}

// CreateInstanceProfile makes an instance profile. Tasks don't use them; tools that make stacks do.
func (a *Roles) CreateInstanceProfile(ctx context.Context, in *iam.CreateInstanceProfileInput) (*iam.CreateInstanceProfileOutput, error) {
	tags, err := record.AddTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	p := record.Profile{Name: *in.InstanceProfileName, Path: record.PathOr(in.Path), ID: record.NewID("AIPA"), Created: record.Now(), Tags: tags}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.CreateInstanceProfileOutput, error) {
		if _, there, err := handler.Find(tx, record.Profiles, record.ID(p.Name)); err != nil {
			return nil, err
		} else if there {
			return nil, record.Exists("Instance Profile %s already exists.", p.Name)
		}
		if n, err := record.Count(record.Profiles.Peek(tx, "")); err != nil {
			return nil, err
		} else if n >= maxProfiles {
			return nil, record.Exceeds("Cannot exceed quota for InstanceProfilesPerAccount: %d", maxProfiles)
		}
		out, err := a.Profile(tx, p)
		if err != nil {
			return nil, err
		}
		return &iam.CreateInstanceProfileOutput{InstanceProfile: &out}, record.Profiles.Put(tx, record.ID(p.Name), p)
	})
}

// GetInstanceProfile describes an instance profile with its role.
func (a *Roles) GetInstanceProfile(ctx context.Context, in *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.GetInstanceProfileOutput, error) {
		p, err := getProfile(tx, *in.InstanceProfileName)
		if err != nil {
			return nil, err
		}
		out, err := a.Profile(tx, p)
		return &iam.GetInstanceProfileOutput{InstanceProfile: &out}, err
	})
}

// listProfiles returns a page of profiles.
func (a *Roles) listProfiles(ctx context.Context, maxItems *int32, marker *string, find func(tx store.Tx) ([]record.Profile, error)) (list []types.InstanceProfile, next *string, err error) {
	page, err := record.Page(maxItems, marker)
	if err != nil {
		return nil, nil, err
	}
	err = a.DB.View(ctx, func(tx store.Tx) error {
		all, err := find(tx)
		if err != nil {
			return err
		}
		var part []record.Profile
		part, next = handler.Cut(page, all, func(p record.Profile) string { return record.ID(p.Name) })
		for _, p := range part {
			out, err := a.Profile(tx, p)
			if err != nil {
				return err
			}
			out.Tags = nil // lists are without
			list = append(list, out)
		}
		return nil
	})
	return list, next, err
}

// ListInstanceProfiles lists the profiles below a path.
func (a *Roles) ListInstanceProfiles(ctx context.Context, in *iam.ListInstanceProfilesInput) (*iam.ListInstanceProfilesOutput, error) {
	list, next, err := a.listProfiles(ctx, in.MaxItems, in.Marker, func(tx store.Tx) (fits []record.Profile, err error) {
		all, err := record.Profiles.List(tx, "")
		for _, p := range all {
			if strings.HasPrefix(p.Path, record.PathOr(in.PathPrefix)) {
				fits = append(fits, p)
			}
		}
		return fits, err
	})
	return &iam.ListInstanceProfilesOutput{InstanceProfiles: list, IsTruncated: next != nil, Marker: next}, err
}

// ListInstanceProfilesForRole lists the profiles that hold a role.
func (a *Roles) ListInstanceProfilesForRole(ctx context.Context, in *iam.ListInstanceProfilesForRoleInput) (*iam.ListInstanceProfilesForRoleOutput, error) {
	list, next, err := a.listProfiles(ctx, in.MaxItems, in.Marker, func(tx store.Tx) ([]record.Profile, error) {
		if _, err := record.AsRole.Get(tx, *in.RoleName); err != nil {
			return nil, err
		}
		return record.Profiles.By(tx, "role", record.ID(*in.RoleName))
	})
	return &iam.ListInstanceProfilesForRoleOutput{InstanceProfiles: list, IsTruncated: next != nil, Marker: next}, err
}

// DeleteInstanceProfile deletes an instance profile without a role.
func (a *Roles) DeleteInstanceProfile(ctx context.Context, in *iam.DeleteInstanceProfileInput) (*iam.DeleteInstanceProfileOutput, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.DeleteInstanceProfileOutput, error) {
		p, err := getProfile(tx, *in.InstanceProfileName)
		if err == nil && p.Role != "" {
			err = record.Conflict("remove roles from instance profile")
		}
		if err != nil {
			return nil, err
		}
		return &iam.DeleteInstanceProfileOutput{}, record.Profiles.Delete(tx, record.ID(p.Name))
	})
}

// AddRoleToInstanceProfile puts a role into a profile, which holds one.
func (a *Roles) AddRoleToInstanceProfile(ctx context.Context, in *iam.AddRoleToInstanceProfileInput) (*iam.AddRoleToInstanceProfileOutput, error) {
	return &iam.AddRoleToInstanceProfileOutput{}, a.changeProfile(ctx, *in.InstanceProfileName, func(tx store.Tx, p *record.Profile) error {
		r, err := record.AsRole.Get(tx, *in.RoleName)
		if err != nil {
			return err
		}
		if err := record.Own(&r.Entity); err != nil {
			return err
		}
		if p.Role != "" {
			return record.Exceeds("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		p.Role = record.ID(r.Name)
		return nil
	})
}

// RemoveRoleFromInstanceProfile takes the role out of a profile.
func (a *Roles) RemoveRoleFromInstanceProfile(ctx context.Context, in *iam.RemoveRoleFromInstanceProfileInput) (*iam.RemoveRoleFromInstanceProfileOutput, error) {
	return &iam.RemoveRoleFromInstanceProfileOutput{}, a.changeProfile(ctx, *in.InstanceProfileName, func(_ store.Tx, p *record.Profile) error {
		if p.Role == "" || p.Role != record.ID(*in.RoleName) {
			return record.AsRole.None(*in.RoleName)
		}
		p.Role = ""
		return nil
	})
}

// TagInstanceProfile adds tags.
func (a *Roles) TagInstanceProfile(ctx context.Context, in *iam.TagInstanceProfileInput) (*iam.TagInstanceProfileOutput, error) {
	return &iam.TagInstanceProfileOutput{}, a.changeProfile(ctx, *in.InstanceProfileName, func(_ store.Tx, p *record.Profile) (err error) {
		p.Tags, err = record.AddTags(p.Tags, in.Tags)
		return err
	})
}

// UntagInstanceProfile removes tags.
func (a *Roles) UntagInstanceProfile(ctx context.Context, in *iam.UntagInstanceProfileInput) (*iam.UntagInstanceProfileOutput, error) {
	return &iam.UntagInstanceProfileOutput{}, a.changeProfile(ctx, *in.InstanceProfileName, func(_ store.Tx, p *record.Profile) error {
		p.Tags = record.WithoutTags(p.Tags, in.TagKeys)
		return nil
	})
}

// ListInstanceProfileTags lists the tags of a profile.
func (a *Roles) ListInstanceProfileTags(ctx context.Context, in *iam.ListInstanceProfileTagsInput) (*iam.ListInstanceProfileTagsOutput, error) {
	page, err := record.Page(in.MaxItems, in.Marker)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.ListInstanceProfileTagsOutput, error) {
		p, err := getProfile(tx, *in.InstanceProfileName)
		part, next := handler.Cut(page, record.TagType.To(p.Tags), func(t types.Tag) string { return *t.Key })
		return &iam.ListInstanceProfileTagsOutput{Tags: part, IsTruncated: next != nil, Marker: next}, err
	})
}
