"""Check digits of numbers that identify people and accounts. All take digits only, except `is_iban`."""


def is_luhn(digits: str) -> bool:
    """Payment cards (ISO/IEC 7812-1)."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(doubled)) % 10 == 0


def is_nhs_number(digits: str) -> bool:
    """NHS numbers of England, Wales and the Isle of Man (modulus 11)."""
    weighted = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), digits, strict=False))
    return len(digits) == 10 and len(set(digits)) > 1 and (11 - weighted % 11) % 11 == int(digits[9])


def is_ahv_number(digits: str) -> bool:
    """Swiss AHV numbers, which begin with 756 (EAN-13)."""
    weighted = sum((3 if position % 2 else 1) * int(digit) for position, digit in enumerate(digits))
    return len(digits) == 13 and digits.startswith("756") and weighted % 10 == 0


def is_iban(text: str) -> bool:
    """IBANs without spaces (ISO 13616, modulus 97)."""
    turned = text[4:] + text[:4]
    return 15 <= len(text) <= 34 and int("".join(str(int(character, 36)) for character in turned)) % 97 == 1
