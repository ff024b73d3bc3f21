// SPDX-License-Identifier: BSD-2-Clause
// What a guest's machine has besides what the fixed tables say: hv/dev/platform.h. The processors are in a table of their
// own, because their number differs (acpi_tables.c).
DefinitionBlock ("", "DSDT", 2, "SLAT  ", "GUEST   ", 1)
{
    // Soft off: the type that hv/dev/acpi_pm.h takes for it.
    Name (\_S5, Package () { 5, 5, 0, 0 })

    Scope (\_SB)
    {
        Device (PIC)
        {
            Name (_HID, EisaId ("PNP0000"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0020, 0x0020, 0, 2)
                IO (Decode16, 0x00A0, 0x00A0, 0, 2)
                IO (Decode16, 0x04D0, 0x04D0, 0, 2)
                IRQNoFlags () { 2 }
            })
        }

        Device (PIT)
        {
            Name (_HID, EisaId ("PNP0100"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0040, 0x0040, 0, 4)
                IRQNoFlags () { 0 }
            })
        }

        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0070, 0x0070, 0, 2)
                IRQNoFlags () { 8 }
            })
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F8, 0x03F8, 0, 8)
                IRQNoFlags () { 4 }
            })
        }

        // Ports that belong to no device with a driver: nothing else may be put there.
        Device (SYSR)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0061, 0x0061, 0, 1) // system control port B
                IO (Decode16, 0x0064, 0x0064, 0, 1) // reset
                IO (Decode16, 0x0080, 0x0080, 0, 1) // POST code
                IO (Decode16, 0x0092, 0x0092, 0, 1) // system control port A
                IO (Decode16, 0x00F4, 0x00F4, 0, 4) // debug exit
                IO (Decode16, 0x0510, 0x0510, 0, 2) // fw_cfg
                IO (Decode16, 0x0600, 0x0600, 0, 12) // power management
            })
        }
    }
}
