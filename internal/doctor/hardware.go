package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/route"
)

// hardware is what clients look at to tell EC2 before they ask the metadata service: SMBIOS values, and Xen's.
type hardware struct {
	hypervisorUUID                                  string
	hypervisor                                      bool // whether there is such a file
	productUUID                                     string
	hidden                                          bool // whether only root can read productUUID
	systemVendor, biosVendor, biosVersion, assetTag string
	smbios                                          bool // whether there are such values
}

// hardware reads the values. It needs root for the system's UUID.
func (m machine) hardware() hardware {
	const dmi = "sys/class/dmi/id/"
	h := hardware{
		hypervisorUUID: strings.ToLower(m.read("sys/hypervisor/uuid")),
		hypervisor:     m.exists("sys/hypervisor/uuid"),
		productUUID:    strings.ToLower(m.read(dmi + "product_uuid")),
		systemVendor:   m.read(dmi + "sys_vendor"),
		biosVendor:     m.read(dmi + "bios_vendor"),
		biosVersion:    m.read(dmi + "bios_version"),
		assetTag:       m.read(dmi + "board_asset_tag"),
		smbios:         m.exists(dmi + "sys_vendor"),
	}
	h.hidden = h.productUUID == "" && m.exists(dmi+"product_uuid")
	return h
}

// silent names the clients that do not ask on this hardware, each with what it looks at. Source: the programs' code at
// cloud-init 04eacd06e (tools/ds-identify), aws-ec2-instance-connect-config 551c73e, GDAL (cpl_aws.cpp), Ohai 283191d0.
func (h *hardware) silent(instanceID string) []string {
	xen := strings.HasPrefix(h.hypervisorUUID, "ec2")
	// Old SMBIOS versions swap the bytes: 45e12aec-… is ec2ae145-…
	swapped := len(h.productUUID) > 6 && h.productUUID[4:5] == "2" && h.productUUID[6:8] == "ec"
	gdal := xen
	if !h.hypervisor {
		gdal = strings.HasPrefix(h.systemVendor, "Amazon EC2") || !h.smbios
	}
	var names []string
	for _, client := range []struct {
		name string
		asks bool
	}{
		{"cloud-init (the system's UUID)", xen || strings.HasPrefix(h.productUUID, "ec2") || swapped || h.hidden},
		{"EC2 Instance Connect (the board's asset tag)", xen || h.assetTag == instanceID && instanceID != ""},
		{"GDAL (the system's vendor)", gdal},
		{"Ohai (the BIOS's vendor)", xen || strings.Contains(h.biosVendor, "Amazon") || strings.Contains(h.biosVersion, "amazon")},
	} {
		if !client.asks {
			names = append(names, client.name)
		}
	}
	return names
}

// examineHardware says which clients of this machine's own do not ask, or are led astray.
func (d *doctor) examineHardware(context.Context) Finding {
	if d.hardware == nil {
		return Finding{Mark: Skip, Text: "not tried: only known on Linux"}
	}
	var lines []string
	id := ""
	if d.loaded != nil {
		id = d.loaded.Config.EC2.InstanceID
	}
	if names := d.hardware.silent(id); len(names) > 0 {
		lines = append(lines, "clients that look at the hardware first do not ask here: "+strings.Join(names, ", ")+
			"; a virtual machine can be given EC2's values (docs/networking.md)")
	}
	if note := d.foreignMAC(); note != "" {
		lines = append(lines, note)
	}
	if len(lines) == 0 {
		return Finding{Mark: OK, Text: "clients that look at the hardware first take this machine for an EC2 instance"}
	}
	return Finding{Mark: Note, Text: strings.Join(lines, "\n")}
}

// foreignMAC says that no interface of this machine has the instance's MAC address. That matters where this machine itself is
// the instance, so that it has the service's address; elsewhere clients see their own interfaces.
func (d *doctor) foreignMAC() string {
	places, err := d.machine.places(route.Services{})
	if err != nil || d.loaded == nil || places[0].Interface == "" {
		return ""
	}
	mac := instance.New(&d.loaded.Config.Instance, nil).Interfaces[0].MAC
	interfaces := d.machine.links()
	if slices.ContainsFunc(interfaces, func(i net.Interface) bool { return strings.EqualFold(i.HardwareAddr.String(), mac) }) {
		return ""
	}
	var have []string
	for _, i := range interfaces {
		if len(i.HardwareAddr) > 0 && i.Name != places[0].Interface {
			have = append(have, fmt.Sprintf("%s (%s)", i.HardwareAddr, i.Name))
		}
	}
	has := ""
	if len(have) > 0 {
		has = "; set ec2.mac to that of the first interface, of " + strings.Join(have, ", ")
	}
	return fmt.Sprintf("no interface of this machine has ec2.mac, %s: cloud-init would configure none, and aws-vpc-move-ip would fail%s", mac, has)
}
