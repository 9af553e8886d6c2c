"""What a release consists of, made from the checkout: sdist, wheel, one `.pyz` a Python and machine, the own image."""
