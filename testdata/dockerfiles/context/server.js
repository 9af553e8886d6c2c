require('dep')
